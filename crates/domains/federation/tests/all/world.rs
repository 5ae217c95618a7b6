//! A hub and members: real control planes, joined as `kubefedctl join` does it.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use comity_core::{GroupVersionResource, Value, json, object};
use comity_federation::{Config, Handle};
use comity_lane::{Cache, ClusterClient, Interest, PatchKind};
use comity_testkit_core::real::{Parts, RealCluster};
use tokio::sync::Notify;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Three control planes at a time are enough for a machine.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub struct World {
    pub hub: ClusterClient,
    pub members: Vec<ClusterClient>,
    federation: Option<Handle>,
    clusters: Vec<Option<RealCluster>>,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

/// A resource as it is seen through a watch.
pub struct Watched {
    pub cache: Cache,
    changed: Arc<Notify>,
}

fn client(cluster: &RealCluster) -> ClusterClient {
    let mut config = kube::Config::new(cluster.url().parse().unwrap());
    config.accept_invalid_certs = true;
    config.auth_info = serde_json::from_value(json!({"token": cluster.token()})).unwrap();
    ClusterClient::new(kube::Client::try_from(config).unwrap())
}

pub fn gvr(group: &str, resource: &str) -> GroupVersionResource {
    GroupVersionResource::new(group, if group.ends_with("kubefed.io") { "v1beta1" } else { "v1" }, resource)
}

impl World {
    /// `None` where the control plane's programs are not built and that is no failure.
    pub async fn start(test: &str, members: usize) -> Option<Self> {
        let programs = comity_testkit_core::cache::tool_or_skip(test, RealCluster::find(Parts::ApiServer))?;
        let alone = ALONE.lock().await;
        let starts = (0..=members).map(|_| {
            let programs = programs.clone();
            tokio::task::spawn_blocking(move || programs.start().unwrap())
        });
        let clusters: Vec<RealCluster> = futures::future::join_all(starts).await.into_iter().map(Result::unwrap).collect();
        let hub = client(&clusters[0]);
        comity_federation::bootstrap(&hub).await.unwrap();
        let federation = Some(comity_federation::start(Config::new(hub.clone(), "hub-under-test", 1)));
        let members = clusters[1..].iter().map(client).collect();
        let world = Self { hub, members, federation, clusters: clusters.into_iter().map(Some).collect(), _alone: alone };
        for index in 0..world.members.len() {
            world.join(index).await;
        }
        Some(world)
    }

    /// Stops federation and starts it anew, as a restart of the hub does.
    pub async fn restart(&mut self) {
        if let Some(running) = self.federation.take() {
            running.shutdown().await;
        }
        self.federation = Some(comity_federation::start(Config::new(self.hub.clone(), "hub-under-test", 1)));
    }

    /// Ends the control plane of `cluster<index + 1>`.
    pub fn kill(&mut self, index: usize) {
        self.clusters[index + 1] = None;
    }

    /// Makes Secret and KubeFedCluster of `cluster<index + 1>`.
    pub async fn join(&self, index: usize) {
        let (name, cluster) = (format!("cluster{}", index + 1), self.clusters[index + 1].as_ref().unwrap());
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "data": {"token": BASE64_STANDARD.encode(cluster.token())}});
        self.hub.create(&gvr("", "secrets"), "kube-federation-system", &secret, "test").await.unwrap();
        let joined = json!({"apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster", "metadata": {"name": name, "labels": {"name": name}},
            "spec": {"apiEndpoint": cluster.url(), "caBundle": BASE64_STANDARD.encode(cluster.ca()), "secretRef": {"name": name}}});
        self.hub.create(&gvr("core.kubefed.io", "kubefedclusters"), "kube-federation-system", &joined, "test").await.unwrap();
    }

    /// Applies an object as a user of the hub would.
    pub async fn apply(&self, object: &Value) -> Value {
        apply(&self.hub, object).await
    }

    pub fn watch(&self, on: &ClusterClient, gvr: GroupVersionResource) -> Watched {
        let changed = Arc::new(Notify::new());
        let tell = changed.clone();
        let cache = Cache::start(on.clone(), Interest { project: None, ..Interest::all(gvr) }, Arc::new(move |_| tell.notify_one()));
        Watched { cache, changed }
    }
}

pub async fn apply(on: &ClusterClient, object: &Value) -> Value {
    let kind = object::gvk(object);
    let gvr = GroupVersionResource::new(&kind.group, &kind.version, &comity_api_kubefed::type_config::plural_of(&kind.kind));
    let patch = PatchKind::Apply { force: true };
    on.patch(&gvr, object::namespace(object), object::name(object), None, patch, object, "test", false).await.unwrap()
}

impl Watched {
    /// Waits until the cache shows what is looked for.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&Cache) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = look(&self.cache) {
                    return found;
                }
                self.changed.notified().await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("not seen: {what}; there is {:#?}", self.cache.list()),
        }
    }

    /// Waits until an object satisfies a condition.
    pub async fn object(&self, what: &str, namespace: &str, name: &str, holds: impl Fn(&Value) -> bool) -> Arc<Value> {
        self.until(what, |cache| cache.get(namespace, name).filter(|o| holds(o))).await
    }

    pub async fn gone(&self, what: &str, namespace: &str, name: &str) {
        self.until(what, |cache| cache.get(namespace, name).is_none().then_some(()).filter(|()| cache.is_synced())).await;
    }
}
