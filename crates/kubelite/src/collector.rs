//! The garbage collector: objects whose owners are gone go too.

mod graph;
mod rounds;

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use comity_core::GroupVersionResource;
use comity_runtime::{
    Controller, Key, Outcome, Priority, Queue,
    lane::{CacheEvent, Discovery},
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    kit::{catalog::Catalog, hands::Hands, informers::Informers},
    wiring::Wiring,
};
use graph::{Graph, Work};

const NAME: &str = "generic-garbage-collector";

struct Collector {
    hands: Hands,
    catalog: Catalog,
    graph: Arc<Mutex<Graph>>,
    queue: Queue,
    /// Whether the caches of everything that the cluster serves have been filled once.
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
}

/// Starts the collector. `on_gone` is told the namespace of every object that disappears.
pub(crate) fn start(wiring: &mut Wiring, catalog: &Catalog, on_gone: impl Fn(&str) + Send + Sync + 'static) {
    let (tell_ready, ready) = watch::channel(false);
    let graph: Arc<Mutex<Graph>> = Arc::default();
    let queue = Queue::new();
    let controller = Collector {
        hands: wiring.controller(NAME),
        catalog: catalog.clone(),
        graph: graph.clone(),
        queue: queue.clone(),
        ready,
        stop: wiring.stop_token(),
    };
    wiring.run_with(Arc::new(controller), queue.clone(), 16);
    let monitors = Monitors { informers: wiring.informers.clone(), graph, queue, on_gone: Arc::new(on_gone) };
    wiring.task(monitors.follow(catalog.clone(), tell_ready, wiring.stop_token()));
}

/// A watch of every resource.
struct Monitors {
    informers: Arc<Informers>,
    graph: Arc<Mutex<Graph>>,
    queue: Queue,
    on_gone: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Monitors {
    async fn follow(self, catalog: Catalog, ready: watch::Sender<bool>, stop: CancellationToken) {
        let mut found = catalog.subscribe();
        let mut watched: HashSet<GroupVersionResource> = HashSet::new();
        loop {
            let discovery = found.borrow_and_update().clone();
            if let Some(discovery) = discovery {
                let wanted = collectable(&discovery);
                let mut caches = Vec::new();
                for gvr in wanted.difference(&watched) {
                    caches.push(self.watch(gvr));
                }
                // a group that only fails to answer is still there
                if discovery.failed.is_empty() {
                    for gvr in watched.difference(&wanted) {
                        self.informers.forget_metadata(gvr);
                        self.graph.lock().forget_resource(gvr);
                    }
                    watched.clear();
                }
                watched.extend(wanted);
                for cache in caches {
                    tokio::select! {
                        () = cache.synced() => {}
                        () = stop.cancelled() => return,
                    }
                }
                ready.send_replace(true);
            }
            tokio::select! {
                changed = found.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
    }

    fn watch(&self, gvr: &GroupVersionResource) -> comity_runtime::lane::Cache {
        let (graph, queue, on_gone, resource) = (self.graph.clone(), self.queue.clone(), self.on_gone.clone(), gvr.clone());
        self.informers.on_metadata(gvr, move |event| {
            let work = match event {
                CacheEvent::Applied { new, .. } => graph.lock().put(&resource, new),
                CacheEvent::Deleted(last) => {
                    let work = graph.lock().remove(last);
                    on_gone(comity_core::object::namespace(last));
                    work
                }
                CacheEvent::Synced => Vec::new(),
            };
            for work in work {
                queue.add(key_of(&work), Priority::User);
            }
        })
    }
}

/// Everything that can be watched and deleted, but events, which nobody owns for long.
fn collectable(discovery: &Discovery) -> HashSet<GroupVersionResource> {
    let resources = discovery.preferred().filter(|r| r.can("delete") && r.can("list") && r.can("watch") && r.gvr.resource != "events");
    resources.map(|resource| resource.gvr.clone()).collect()
}

fn key_of(work: &Work) -> Key {
    match work {
        Work::Check(uid) => Key::of_kind("check", "", uid),
        Work::Orphan(uid) => Key::of_kind("orphan", "", uid),
    }
}

#[async_trait]
impl Controller for Collector {
    fn name(&self) -> &str {
        NAME
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        // before everything has been seen, an owner may only seem to be absent
        let mut ready = self.ready.clone();
        tokio::select! {
            seen = ready.wait_for(|ready| *ready) => if seen.is_err() { return Outcome::Done },
            () = self.stop.cancelled() => return Outcome::Done,
        }
        let round = if &*key.kind == "orphan" { self.orphan(&key.name).await } else { self.check(&key.name).await };
        match round {
            Ok(()) => Outcome::Done,
            Err(why) => Outcome::Retry(why),
        }
    }
}
