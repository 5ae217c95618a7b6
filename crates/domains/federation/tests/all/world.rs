//! A hub and members, embedded or real, joined as `kubefedctl join` does it.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use comity_core::{GroupVersionResource, Value, json, object};
use comity_federation::{Config, Handle};
use comity_lane::{Cache, ClusterClient, Interest, PatchKind};
use comity_testkit::{Cluster, Kind, Parts, Proxy};
use tokio::sync::{Mutex, MutexGuard, Notify};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Three real control planes at a time are enough for a machine.
static ALONE: Mutex<()> = Mutex::const_new(());

pub struct World {
    pub hub: ClusterClient,
    pub members: Vec<ClusterClient>,
    pub federation: Option<Handle>,
    /// The hub, then the members.
    pub clusters: Vec<Cluster>,
    _alone: Option<MutexGuard<'static, ()>>,
}

/// A resource as it is seen through a watch.
pub struct Watched {
    pub cache: Cache,
    changed: Arc<Notify>,
}

pub fn gvr(group: &str, resource: &str) -> GroupVersionResource {
    GroupVersionResource::new(group, if group.ends_with("kubefed.io") { "v1beta1" } else { "v1" }, resource)
}

/// Whoever starts real control planes is the only one.
pub async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

impl World {
    /// In this process.
    pub async fn embedded(members: usize) -> Self {
        Self::of("", Kind::Embedded, Kind::Embedded, members).await.unwrap()
    }

    /// Over upstream's programs; `None` where they are not built and that is no failure.
    pub async fn real(test: &str, members: usize) -> Option<Self> {
        Self::of(test, Kind::Real(Parts::ApiServer), Kind::Real(Parts::ApiServer), members).await
    }

    /// Of a hub and so many members of a kind each.
    pub async fn of(test: &str, hub: Kind, member: Kind, members: usize) -> Option<Self> {
        let world = Self::apart(test, hub, member, members).await?;
        for index in 0..world.members.len() {
            world.join(index).await;
        }
        Some(world)
    }

    /// The same without a join.
    async fn apart(test: &str, hub: Kind, member: Kind, members: usize) -> Option<Self> {
        let real = [hub, member].iter().any(|kind| matches!(kind, Kind::Real(_)));
        let alone = if real { Some(alone().await) } else { None };
        let names: Vec<String> = std::iter::once("hub".to_owned()).chain((1..=members).map(|i| format!("cluster{i}"))).collect();
        let starts = names.iter().enumerate().map(|(index, name)| Cluster::start(test, name, if index == 0 { hub } else { member }));
        let clusters: Vec<Cluster> = futures::future::join_all(starts).await.into_iter().collect::<Option<_>>()?;
        Some(Self::unjoined(clusters, alone).await)
    }

    /// Over a hub and members that run.
    pub async fn over(clusters: Vec<Cluster>, alone: Option<MutexGuard<'static, ()>>) -> Self {
        let world = Self::unjoined(clusters, alone).await;
        for index in 0..world.members.len() {
            world.join(index).await;
        }
        world
    }

    async fn unjoined(clusters: Vec<Cluster>, alone: Option<MutexGuard<'static, ()>>) -> Self {
        let hub = clusters[0].client();
        comity_federation::bootstrap(&hub).await.unwrap();
        let federation = Some(comity_federation::start(Config::new(hub.clone(), "hub-under-test", 1)));
        let members = clusters[1..].iter().map(Cluster::client).collect();
        Self { hub, members, federation, clusters, _alone: alone }
    }

    /// In this process; the members are reached through a proxy each.
    pub async fn proxied(members: usize) -> (Self, Vec<Proxy>) {
        let world = Self::apart("", Kind::Embedded, Kind::Embedded, members).await.unwrap();
        let mut proxies = Vec::new();
        for index in 0..members {
            let proxy = Proxy::before(&world.clusters[index + 1].url()).await.unwrap();
            world.join_at(index, &proxy.url(), proxy.ca()).await;
            proxies.push(proxy);
        }
        (world, proxies)
    }

    /// Stops federation.
    pub async fn stop(&mut self) {
        if let Some(running) = self.federation.take() {
            running.shutdown().await;
        }
    }

    /// Stops federation and starts it anew, as a restart of the hub does.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.begin(1);
    }

    /// Starts federation in this epoch of the hub.
    pub fn begin(&mut self, epoch: u64) {
        self.federation = Some(comity_federation::start(Config::new(self.hub.clone(), "hub-under-test", epoch)));
    }

    /// Ends `cluster<index + 1>`.
    pub async fn kill(&mut self, index: usize) {
        self.clusters[index + 1].stop().await;
    }

    /// Makes Secret and KubeFedCluster of `cluster<index + 1>`.
    pub async fn join(&self, index: usize) {
        let cluster = &self.clusters[index + 1];
        self.join_at(index, &cluster.url(), cluster.ca()).await;
    }

    /// Points the KubeFedCluster of `cluster<index + 1>` somewhere else.
    pub async fn join_again(&self, index: usize, url: &str, ca: &str) {
        let elsewhere = json!({"spec": {"apiEndpoint": url, "caBundle": BASE64_STANDARD.encode(ca)}});
        let (clusters, name) = (gvr("core.kubefed.io", "kubefedclusters"), self.clusters[index + 1].name());
        self.hub.patch(&clusters, "kube-federation-system", name, None, PatchKind::Merge, &elsewhere, "test", false).await.unwrap();
    }

    /// The same for a cluster that is reached by another way.
    async fn join_at(&self, index: usize, url: &str, ca: &str) {
        let cluster = &self.clusters[index + 1];
        join_by(&self.hub, cluster, url, ca).await;
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

/// Makes Secret and KubeFedCluster of a cluster on a hub.
pub async fn join_to(hub: &ClusterClient, cluster: &Cluster) {
    join_by(hub, cluster, &cluster.url(), cluster.ca()).await;
}

/// The same for a cluster that is reached by another way.
async fn join_by(hub: &ClusterClient, cluster: &Cluster, url: &str, ca: &str) {
    let name = cluster.name();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "data": {"token": BASE64_STANDARD.encode(cluster.token())}});
    hub.create(&gvr("", "secrets"), "kube-federation-system", &secret, "test").await.unwrap();
    let joined = json!({"apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster", "metadata": {"name": name, "labels": {"name": name}},
        "spec": {"apiEndpoint": url, "caBundle": BASE64_STANDARD.encode(ca), "secretRef": {"name": name}}});
    hub.create(&gvr("core.kubefed.io", "kubefedclusters"), "kube-federation-system", &joined, "test").await.unwrap();
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
