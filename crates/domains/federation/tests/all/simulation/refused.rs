//! How soon a member that refuses connections is named, in virtual time: whenever it begins, with the settings that ship.

use std::time::Duration;

use comity_core::{Value, condition, object};
use comity_testkit::Fault;
use tokio::time::Instant;

use super::{
    SYSTEM, Sim,
    wishes::{Id, NAMESPACE, Where, Wish},
};
use crate::world::{apply, gvr};

const MOMENT: Duration = Duration::from_millis(10);
/// Two seconds are promised; the rest is for a slow machine.
const PROMISED: Duration = Duration::from_millis(1500);

impl Sim {
    /// The virtual time until an object of the hub is so.
    async fn until(&self, group: &str, resource: &str, namespace: &str, name: &str, holds: impl Fn(&Value) -> bool) -> Duration {
        let began = Instant::now();
        loop {
            let now = self.hub.get(&gvr(group, resource), namespace, name);
            if now.is_some_and(|o| holds(&o)) {
                return began.elapsed();
            }
            assert!(began.elapsed() < Duration::from_secs(600), "{name} never came to be so");
            tokio::time::sleep(MOMENT).await;
        }
    }
}

fn reason(cluster: &Value, reason: &str) -> bool {
    object::items_at(cluster, &["status", "conditions"]).iter().any(|c| c["reason"] == reason)
}

async fn named_after(offset: Duration) -> (Duration, Duration) {
    let mut sim = Sim::start(1).await;
    let id = Id::config_map("one");
    let place = Where::Clusters(sim.clusters().into_iter().collect());
    let wish = Wish { text: "v".to_owned(), place, overrides: Default::default() };
    apply(&sim.client, &wish.object(&id)).await;
    sim.until("types.kubefed.io", "federatedconfigmaps", NAMESPACE, "one", |o| condition::is_true(o, "Propagation")).await;
    tokio::time::sleep(Duration::from_secs(60) + offset).await;
    sim.members["cluster1"].gate.set(Fault::Refused);
    let told = |cluster: &Value| reason(cluster, "ClusterNotReachable");
    let cluster = sim.until("core.kubefed.io", "kubefedclusters", SYSTEM, "cluster1", told).await;
    let told = |owner: &Value| {
        object::items_at(owner, &["status", "clusters"]).iter().any(|e| e["name"] == "cluster1" && e["reason"] == "ClusterNotReachable")
    };
    let owner = sim.until("types.kubefed.io", "federatedconfigmaps", NAMESPACE, "one", told).await;
    if let Some(federation) = sim.federation.take() {
        federation.shutdown().await;
    }
    (cluster, cluster + owner)
}

#[test]
fn a_member_that_refuses_connections_is_named_within_two_seconds_whenever_it_begins() {
    // the period between two looks is ten seconds
    for offset in (0..10_000).step_by(430).map(Duration::from_millis) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (cluster, owner) = runtime.block_on(named_after(offset));
        assert!(owner <= PROMISED, "begun {offset:?} after a minute: the cluster says so after {cluster:?}, the object after {owner:?}");
    }
}
