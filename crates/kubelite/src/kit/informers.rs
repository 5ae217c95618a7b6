//! One cache per resource for all controllers of a cluster, with any number of listeners.

use std::{collections::HashMap, sync::Arc};

use comity_core::{GroupVersionResource, Value, object};
use comity_runtime::{
    Key, Priority, Queue,
    lane::{Cache, CacheEvent, ClusterClient, Interest, cache::OnEvent},
};
use parking_lot::{Mutex, RwLock};

use super::resources::PODS;

/// What the cache of a resource keeps of its objects.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Depth {
    Whole,
    Metadata,
    /// Only objects of this name, in all namespaces.
    Named(&'static str),
}

/// The shared caches.
pub(crate) struct Informers {
    client: ClusterClient,
    all: Mutex<HashMap<(GroupVersionResource, Depth), Informer>>,
}

#[derive(Clone)]
struct Informer {
    cache: Cache,
    listeners: Arc<RwLock<Vec<OnEvent>>>,
}

impl Informers {
    pub(crate) fn new(client: ClusterClient) -> Self {
        Self { client, all: Mutex::new(HashMap::new()) }
    }

    /// The cache of a resource, started when it is first asked for.
    pub(crate) fn cache(&self, gvr: &GroupVersionResource) -> Cache {
        self.informer(gvr, Depth::Whole).cache
    }

    /// Queues every object of a resource that appears or changes, as a user's change.
    pub(crate) fn wake_for(&self, gvr: &GroupVersionResource, queue: &Queue) {
        let queue = queue.clone();
        self.on(gvr, move |event| {
            if let CacheEvent::Applied { new, .. } = event {
                queue.add(Key::of(new), Priority::User);
            }
        });
    }

    /// Queues the controller, of the given kind, of every pod that changes or goes.
    pub(crate) fn wake_for_pods_of(&self, kind: &'static str, queue: &Queue) {
        let queue = queue.clone();
        self.on(&PODS, move |event| {
            let (CacheEvent::Applied { new: pod, .. } | CacheEvent::Deleted(pod)) = event else { return };
            if let Some(owner) = object::controller_ref(pod).filter(|owner| owner["kind"] == kind) {
                queue.add(Key::new(object::namespace(pod), object::str_at(owner, &["name"])), Priority::Drift);
            }
        });
    }

    /// Listens to a resource; what is known already is told first, perhaps more than once.
    pub(crate) fn on(&self, gvr: &GroupVersionResource, listener: impl Fn(&CacheEvent) + Send + Sync + 'static) {
        listen(&self.informer(gvr, Depth::Whole), Arc::new(listener));
    }

    /// Listens to a resource of which only the metadata matters; a whole cache that runs already is used.
    pub(crate) fn on_metadata(&self, gvr: &GroupVersionResource, listener: impl Fn(&CacheEvent) + Send + Sync + 'static) -> Cache {
        let whole = self.all.lock().get(&(gvr.clone(), Depth::Whole)).cloned();
        let informer = whole.unwrap_or_else(|| self.informer(gvr, Depth::Metadata));
        listen(&informer, Arc::new(listener));
        informer.cache
    }

    /// The cache of the objects of one name, in all namespaces.
    pub(crate) fn named_cache(&self, gvr: &GroupVersionResource, name: &'static str) -> Cache {
        self.informer(gvr, Depth::Named(name)).cache
    }

    /// Listens to the objects of one name.
    pub(crate) fn on_named(&self, gvr: &GroupVersionResource, name: &'static str, listener: impl Fn(&CacheEvent) + Send + Sync + 'static) {
        listen(&self.informer(gvr, Depth::Named(name)), Arc::new(listener));
    }

    /// Ends the metadata cache of a resource that is no longer served.
    pub(crate) fn forget_metadata(&self, gvr: &GroupVersionResource) {
        self.all.lock().remove(&(gvr.clone(), Depth::Metadata));
    }

    /// Waits until every cache has taken its first list.
    pub(crate) async fn synced(&self) {
        let caches: Vec<Cache> = self.all.lock().values().map(|informer| informer.cache.clone()).collect();
        for cache in caches {
            cache.synced().await;
        }
    }

    fn informer(&self, gvr: &GroupVersionResource, depth: Depth) -> Informer {
        let mut all = self.all.lock();
        let informer = all.entry((gvr.clone(), depth)).or_insert_with(|| {
            let listeners: Arc<RwLock<Vec<OnEvent>>> = Arc::default();
            let told = listeners.clone();
            let on_event: OnEvent = Arc::new(move |event: &CacheEvent| {
                for listener in told.read().iter() {
                    listener(event);
                }
            });
            let interest = match depth {
                Depth::Whole => Interest::all(gvr.clone()),
                Depth::Named(name) => Interest { field_selector: format!("metadata.name={name}"), ..Interest::all(gvr.clone()) },
                Depth::Metadata => Interest { project: Some(only_metadata), packed: true, ..Interest::all(gvr.clone()) },
            };
            Informer { cache: Cache::start(self.client.clone(), interest, on_event), listeners }
        });
        informer.clone()
    }
}

fn listen(informer: &Informer, listener: OnEvent) {
    let mut listeners = informer.listeners.write();
    for new in informer.cache.list() {
        listener(&CacheEvent::Applied { old: None, new });
    }
    if informer.cache.is_synced() {
        listener(&CacheEvent::Synced);
    }
    listeners.push(listener);
}

/// Keeps what ownership and deletion need.
fn only_metadata(whole: &mut Value) {
    let mut kept = comity_core::json!({"apiVersion": whole["apiVersion"], "kind": whole["kind"], "metadata": {}});
    for key in ["name", "namespace", "uid", "resourceVersion", "deletionTimestamp", "finalizers", "ownerReferences"] {
        if let Some(value) = object::remove(whole, &["metadata", key]) {
            kept["metadata"][key] = value;
        }
    }
    *whole = kept;
}
