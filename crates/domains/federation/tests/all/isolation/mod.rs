//! One member is broken, slow, or lies: what is said of it, what the others notice (nothing), and what is deleted (nothing).

mod broken;
mod complaints;
mod lies;
mod malformed;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use comity_core::{Value, json, object};
use comity_lane::DeleteOptions;
use comity_testkit::{Fault, Proxy};
use http::Method;

use crate::world::{Watched, World, gvr};

const NAMESPACE: &str = "shop";

/// A hub, and members that are reached through proxies; ConfigMaps are federated.
struct Fleet {
    world: World,
    proxies: Vec<Proxy>,
    clusters: Watched,
    federated: Watched,
    /// The ConfigMaps in each member, seen past the proxies.
    copies: Vec<Watched>,
}

fn federated(name: &str, text: &str, clusters: &[&str]) -> Value {
    let clusters: Vec<Value> = clusters.iter().map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": {"data": {"k": text}}, "placement": {"clusters": clusters}},
    })
}

const ALL: [&str; 3] = ["cluster1", "cluster2", "cluster3"];

fn entry<'a>(federated: &'a Value, cluster: &str) -> Option<&'a Value> {
    object::items_at(federated, &["status", "clusters"]).iter().find(|e| e["name"] == cluster)
}

fn says(federated: &Value, cluster: &str, status: &str) -> bool {
    entry(federated, cluster).is_some_and(|e| object::str_at(e, &["status"]) == status)
}

/// The condition of a KubeFedCluster with this reason.
fn condition<'a>(cluster: &'a Value, reason: &str) -> Option<&'a Value> {
    object::items_at(cluster, &["status", "conditions"]).iter().find(|c| c["reason"] == reason)
}

impl Fleet {
    /// Three members; their health is looked at every second, and two failures take one out.
    async fn start() -> Self {
        Self::with_health(json!({"period": "1s", "timeout": "1s", "failureThreshold": 2})).await
    }

    async fn with_health(health: Value) -> Self {
        let (world, proxies) = World::proxied(ALL.len()).await;
        let config = json!({
            "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedConfig",
            "metadata": {"name": "kubefed", "namespace": "kube-federation-system"},
            "spec": {"scope": "Namespaced", "clusterHealthCheck": health},
        });
        world.apply(&config).await;
        world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})).await;
        let clusters = world.watch(&world.hub, gvr("core.kubefed.io", "kubefedclusters"));
        let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
        let copies = world.members.iter().map(|member| world.watch(member, gvr("", "configmaps"))).collect();
        let fleet = Self { world, proxies, clusters, federated, copies };
        for name in ALL {
            fleet.ready(name).await;
        }
        fleet
    }

    async fn ready(&self, cluster: &str) {
        let says = |c: &Value| condition(c, "ClusterReady").is_some();
        self.clusters.object("a ready cluster", "kube-federation-system", cluster, says).await;
    }

    /// Waits until a cluster's status has a condition with this reason; its message.
    async fn named(&self, cluster: &str, reason: &str) -> String {
        let what = format!("{cluster} with {reason}");
        let found = self.clusters.object(&what, "kube-federation-system", cluster, |c| condition(c, reason).is_some()).await;
        object::str_at(condition(&found, reason).unwrap(), &["message"]).to_owned()
    }

    async fn apply(&self, name: &str, text: &str) {
        self.world.apply(&federated(name, text, &ALL)).await;
    }

    async fn delete(&self, name: &str) {
        let federated = gvr("types.kubefed.io", "federatedconfigmaps");
        self.world.hub.delete(&federated, NAMESPACE, name, &DeleteOptions::default()).await.unwrap();
    }

    async fn status(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Arc<Value> {
        self.federated.object(what, NAMESPACE, name, holds).await
    }

    async fn propagated(&self, name: &str) {
        self.status(name, "propagated everywhere", |o| comity_core::condition::is_true(o, "Propagation")).await;
    }

    async fn shows(&self, member: usize, name: &str, text: &str) -> Arc<Value> {
        self.copies[member].object(&format!("{name} = {text} in member {}", member + 1), NAMESPACE, name, |o| o["data"]["k"] == text).await
    }

    /// How many deletions the hub has asked members for.
    fn deletions(&self) -> Vec<usize> {
        self.proxies.iter().map(|proxy| proxy.gate().count(&Method::DELETE)).collect()
    }

    fn uid(&self, member: usize, name: &str) -> String {
        self.copies[member].cache.get(NAMESPACE, name).map(|o| object::uid(&o).to_owned()).unwrap_or_default()
    }
}

/// What must hold for every fault that takes the first member out, whatever it is.
async fn one_member_is_out(fleet: &Fleet, fault: Fault, reason: &str) -> (String, Duration) {
    for name in ["edited", "deleted", "kept"] {
        fleet.apply(name, "before").await;
    }
    for name in ["edited", "deleted", "kept"] {
        fleet.propagated(name).await;
    }
    let kept = fleet.uid(0, "kept");

    let began = Instant::now();
    fleet.proxies[0].set(fault);
    let message = fleet.named("cluster1", reason).await;
    let noticed = began.elapsed();
    let status = fleet.status("kept", "the member's entry", |o| says(o, "cluster1", "ClusterNotReady")).await;
    assert_eq!(entry(&status, "cluster1").unwrap()["reason"], reason);
    assert!(entry(&status, "cluster2").unwrap().get("status").is_none(), "{status}");

    // the others go on
    fleet.apply("edited", "during").await;
    fleet.apply("new", "during").await;
    fleet.delete("deleted").await;
    for member in [1, 2] {
        fleet.shows(member, "edited", "during").await;
        fleet.shows(member, "new", "during").await;
        fleet.copies[member].gone("the copy of a deleted object", NAMESPACE, "deleted").await;
    }
    // what cannot be deleted now waits and is not lost
    fleet.status("deleted", "the member's copy is waited for", |o| says(o, "cluster1", "ClusterNotReady")).await;
    assert!(fleet.copies[0].cache.get(NAMESPACE, "deleted").is_some());
    assert_eq!(fleet.copies[0].cache.get(NAMESPACE, "edited").unwrap()["data"]["k"], "before");
    assert_eq!(fleet.deletions()[1..], [1, 1]);

    // it catches up without a restart, exactly
    fleet.proxies[0].gate().take_log();
    fleet.proxies[0].set(Fault::None);
    fleet.ready("cluster1").await;
    fleet.shows(0, "edited", "during").await;
    fleet.shows(0, "new", "during").await;
    fleet.copies[0].gone("the copy that waited", NAMESPACE, "deleted").await;
    fleet.federated.gone("the deleted object", NAMESPACE, "deleted").await;
    for name in ["edited", "kept", "new"] {
        fleet.propagated(name).await;
    }
    assert_eq!(fleet.uid(0, "kept"), kept, "nothing was made anew");
    assert_eq!(fleet.deletions(), [1, 1, 1]);
    (message, noticed)
}
