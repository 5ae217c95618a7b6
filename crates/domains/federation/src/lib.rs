//! Federated objects: placement, overrides, propagation and truthful status.
//!
//! One controller serves all federated types; which types there are is data (`FederatedTypeConfig`). Data flows
//! `gather` → `validate` → `plan` → executor → `status`; see [`domain`]. Work is keyed by federated kind, namespace
//! and name. An object is looked at when it changes, when one of its copies changes, and when a member does.

pub mod admission;
mod announce;
mod autoscalers;
pub mod bootstrap;
pub mod domain;
mod fence;
mod gather;
pub mod model;
pub mod plan;
mod rights;
pub mod status;
mod types;
pub mod validate;
pub mod why;
mod words;

use std::sync::{Arc, OnceLock, Weak};

use comity_core::GroupVersionResource;
use comity_fleet::{Connect, Fleet, FleetOptions, LeaseTimes};
use comity_lane::{Cache, ClusterClient, Interest};
use comity_runtime::Queue;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use bootstrap::bootstrap;
use domain::Federation;

/// How federation runs.
#[derive(Clone)]
pub struct Config {
    /// The hub's API.
    pub hub: ClusterClient,
    /// Where clusters, their Secrets and type configurations live.
    pub namespace: String,
    /// The hub's id in ownership marks: made once, kept in the hub's store.
    pub hub_id: String,
    /// The hub's epoch: grows whenever the hub is restored, migrated or recovered.
    pub epoch: u64,
    /// The instance of the hub: the same after a restart, another one for a clone of its data. What follows the last `_` counts.
    pub instance: String,
    /// Times of the members' Leases.
    pub lease: LeaseTimes,
    /// Objects that are planned at a time.
    pub workers: usize,
    /// Writes at a time to one member.
    pub member_concurrency: usize,
    /// How members are reached.
    pub connect: Connect,
}

impl Config {
    /// The usual numbers.
    pub fn new(hub: ClusterClient, hub_id: &str, epoch: u64) -> Self {
        let namespace = comity_api_kubefed::keys::SYSTEM_NAMESPACE.to_owned();
        let connect = comity_fleet::over_the_network();
        let (hub_id, instance) = (hub_id.to_owned(), hub_id.to_owned());
        Self { hub, namespace, hub_id, epoch, instance, lease: LeaseTimes::default(), workers: 32, member_concurrency: 16, connect }
    }
}

/// Running federation. Dropping it stops it at once; [`Handle::shutdown`] lets running rounds finish.
pub struct Handle {
    fleet: Fleet,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Handle {
    /// The members.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Stops and waits for rounds in work.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        self.fleet.give_back_leases().await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Starts federation on a hub that [`bootstrap`] has prepared. Returns at once; what is there is picked up as it is read.
pub fn start(config: Config) -> Handle {
    let stop = CancellationToken::new();
    let domain: Arc<OnceLock<Weak<Federation>>> = Arc::default();
    let late = move |domain: &Arc<OnceLock<Weak<Federation>>>| domain.get().and_then(Weak::upgrade);
    let (of_event, of_report) = (domain.clone(), domain.clone());
    let fleet = Fleet::start(FleetOptions {
        hub: config.hub.clone(),
        namespace: config.namespace.clone(),
        hub_id: config.hub_id.as_str().into(),
        epoch: config.epoch,
        instance: config.instance,
        lease: config.lease,
        concurrency: config.member_concurrency,
        connect: config.connect.clone(),
        on_event: Arc::new(move |event| late(&of_event).into_iter().for_each(|f| f.fleet_changed(event))),
        on_report: Arc::new(move |report| late(&of_report).into_iter().for_each(|f| f.reported(report))),
    });
    let namespaces = Cache::start(config.hub.clone(), Interest::all(GroupVersionResource::new("", "v1", "namespaces")), Arc::new(|_| {}));
    let mark = model::Hub { id: config.hub_id.as_str().into(), epoch: config.epoch };
    let federation = Arc::new(Federation::new(config.hub, mark, fleet.clone(), Queue::new(), namespaces));
    let _ = domain.set(Arc::downgrade(&federation));
    let weak = Arc::downgrade(&federation);
    fleet.follow(
        &autoscalers::interest(),
        Arc::new(move |_: &str, event: &comity_lane::CacheEvent| weak.upgrade().into_iter().for_each(|f| f.autoscaler_changed(event))),
    );
    let ready = Arc::new(Notify::new());
    let types = tokio::spawn(types::follow(federation.clone(), config.namespace, ready.clone(), stop.clone()));
    let work = tokio::spawn(work(federation, config.workers, ready, stop.clone()));
    Handle { fleet, stop, tasks: vec![types, work] }
}

/// Nothing is planned before clusters, types and namespaces have been read: what is not read is not absent.
async fn work(federation: Arc<Federation>, workers: usize, ready: Arc<Notify>, stop: CancellationToken) {
    let read = async {
        federation.fleet.loaded().await;
        federation.namespaces.synced().await;
        ready.notified().await;
    };
    tokio::select! {
        () = stop.cancelled() => return,
        () = read => {}
    }
    let queue = federation.queue.clone();
    comity_runtime::run(federation, queue, workers, stop).await;
}
