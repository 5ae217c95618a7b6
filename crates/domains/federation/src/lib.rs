//! Federated objects: placement, overrides, propagation and truthful status.
//!
//! One controller serves all federated types; which types there are is data (`FederatedTypeConfig`). Data flows
//! `gather` → `validate` → `plan` → executor → `status`; see [`domain`]. Work is keyed by federated kind, namespace
//! and name. An object is looked at when it changes, when one of its copies changes, and when a member does.

pub mod admission;
mod announce;
mod autoscalers;
pub mod bootstrap;
mod cascade;
pub mod domain;
mod fence;
mod gather;
pub mod model;
mod owners;
pub mod plan;
pub mod preview;
pub mod recovery;
mod rights;
pub mod status;
pub mod survey;
pub mod tombstones;
mod types;
pub mod validate;
pub mod why;
mod words;

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use comity_core::GroupVersionResource;
use comity_fleet::{Connect, Fleet, FleetOptions, LeaseTimes};
use comity_lane::{Cache, CacheEvent, ClusterClient, Interest};
use comity_runtime::{EventRecorder, Key, Priority, executor::guard::keep as guard};
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use bootstrap::bootstrap;
use domain::{Federation, Sources};
use tombstones::Tombstones;

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
        instance: config.instance.clone(),
        lease: config.lease,
        concurrency: config.member_concurrency,
        connect: config.connect.clone(),
        on_event: Arc::new(move |event| late(&of_event).into_iter().for_each(|f| f.fleet_changed(event))),
        on_report: Arc::new(move |report| late(&of_report).into_iter().for_each(|f| f.reported(report))),
    });
    let mark = model::Hub { id: config.hub_id.as_str().into(), epoch: config.epoch };
    let sources = sources(&config, &domain);
    let federation = Arc::new(Federation::new(config.hub.clone(), mark, fleet.clone(), sources));
    let _ = domain.set(Arc::downgrade(&federation));
    let weak = Arc::downgrade(&federation);
    fleet.follow(
        &autoscalers::interest(),
        Arc::new(move |cluster: &str, event: &comity_lane::CacheEvent| {
            weak.upgrade().into_iter().for_each(|f| f.autoscaler_changed(cluster, event));
        }),
    );
    let keeper = guard::Keeper {
        guard: federation.guard.clone(),
        fleet: fleet.clone(),
        recorder: EventRecorder::new(config.hub.clone(), "comity-guard"),
        hub: config.hub,
        namespace: config.namespace.clone(),
    };
    let ready = Arc::new(Notify::new());
    let types = tokio::spawn(types::follow(federation.clone(), config.namespace, ready.clone(), stop.clone()));
    let work = tokio::spawn(work(federation, keeper, config.workers, ready, stop.clone()));
    Handle { fleet, stop, tasks: vec![types, work] }
}

/// What is read of the hub beside members and federated objects; the domain is told of it once it is there.
fn sources(config: &Config, domain: &Arc<OnceLock<Weak<Federation>>>) -> Sources {
    let late = |domain: &Arc<OnceLock<Weak<Federation>>>| domain.get().and_then(Weak::upgrade);
    let above = |interest: Interest| {
        let domain = domain.clone();
        let on_event = move |event: &CacheEvent| {
            if let (CacheEvent::Applied { new, .. }, Some(federation)) = (event, late(&domain)) {
                federation.above_changed(new);
            }
        };
        Cache::start(config.hub.clone(), interest, Arc::new(on_event))
    };
    let definitions = GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    let of_owner = domain.clone();
    let on_owner = move |owner| late(&of_owner).into_iter().for_each(|f| f.queue.add(Key::clone(&owner), Priority::Drift));
    Sources {
        namespaces: above(Interest::all(GroupVersionResource::new("", "v1", "namespaces"))),
        definitions: above(Interest { project: Some(cascade::only_metadata), ..Interest::all(definitions) }),
        tombstones: Tombstones::start(config.hub.clone(), &config.namespace, Arc::new(on_owner)),
    }
}

/// Between two questions to a hub that does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Nothing is planned before clusters, types, namespaces and records have been read: what is not read is not absent.
async fn work(federation: Arc<Federation>, keeper: guard::Keeper, workers: usize, ready: Arc<Notify>, stop: CancellationToken) {
    let read = async {
        federation.fleet.loaded().await;
        federation.namespaces.synced().await;
        federation.tombstones.synced().await;
        while let Err(error) = keeper.restore().await {
            tracing::warn!(%error, "the record of deletions cannot be read; nothing is planned before it is");
            tokio::time::sleep(ASK_AGAIN).await;
        }
        ready.notified().await;
    };
    tokio::select! {
        () = stop.cancelled() => return,
        () = read => {}
    }
    // owners that are gone are in no list
    federation.look_at_tombstones();
    let queue = federation.queue.clone();
    let told = tombstones::announce(Arc::downgrade(&federation), federation.fleet.clone());
    let aside = async { tokio::join!(keeper.run(), told) };
    tokio::select! {
        _ = aside => {}
        () = comity_runtime::run(federation, queue, workers, stop) => {}
    }
    let _ = tokio::time::timeout(ASK_AGAIN, keeper.give_back(Duration::ZERO)).await;
}
