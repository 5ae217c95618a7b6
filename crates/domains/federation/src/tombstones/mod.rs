//! Deletions that are carried out later: their owner was deleted while a member did not answer.
//!
//! The records lie on the hub in [`CHUNKS`] ConfigMaps, by owner. They are on disk before the owner's finalizer goes,
//! survive restarts, and are cancelled when an owner of that name is created again. The copy is looked at before it
//! goes: it must still be the one of the deleted owner.

mod record;
mod tell;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use comity_core::{GroupVersionResource, Map, Value, json, object, time::rfc3339};
use comity_fleet::Fleet;
use comity_lane::{Attempt, Cache, CacheEvent, ClientError, ClusterClient, Copy, Interest, Job, PatchKind, Seen, Urgency, copy::Hold};
use comity_runtime::{Cause, CopyAction, CopyRound, Key};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{
    domain::Federation,
    model::{Deletion, MANAGER, Observed},
    plan::sooner,
    types::Running,
};

pub use record::{Fate, Tombstone, after_asking, before_asking, read_all};
pub(crate) use tell::tell;

/// Label of the ConfigMaps that hold records.
pub const LABEL: &str = "comity.dev/tombstones";
/// How many there are at most.
pub(crate) const CHUNKS: u64 = 64;

/// Told of every owner whose records changed. It must not block.
pub(crate) type OnOwner = Arc<dyn Fn(Key) + Send + Sync>;

/// All records of a hub.
pub(crate) struct Tombstones {
    hub: ClusterClient,
    namespace: String,
    cache: Cache,
    index: Arc<Index>,
}

#[derive(Default)]
struct Index {
    known: Mutex<Known>,
    changed: Notify,
}

#[derive(Default)]
struct Known {
    by_owner: HashMap<Key, BTreeMap<String, Tombstone>>,
    by_chunk: HashMap<String, Vec<Tombstone>>,
}

impl Known {
    /// Takes in what a ConfigMap says now; the owners whose records changed.
    fn take(&mut self, chunk: &str, now: Vec<Tombstone>) -> Vec<Key> {
        let before = self.by_chunk.remove(chunk).unwrap_or_default();
        let changed: Vec<Key> =
            before.iter().filter(|t| !now.contains(t)).chain(now.iter().filter(|t| !before.contains(t))).map(Tombstone::owner).collect();
        for gone in &before {
            if let Some(records) = self.by_owner.get_mut(&gone.owner()) {
                records.remove(&gone.cluster);
                if records.is_empty() {
                    self.by_owner.remove(&gone.owner());
                }
            }
        }
        for record in &now {
            self.by_owner.entry(record.owner()).or_default().insert(record.cluster.clone(), record.clone());
        }
        if !now.is_empty() {
            self.by_chunk.insert(chunk.to_owned(), now);
        }
        changed
    }
}

impl Tombstones {
    /// Follows the records.
    pub fn start(hub: ClusterClient, namespace: &str, on_owner: OnOwner) -> Self {
        let index: Arc<Index> = Arc::default();
        let told = index.clone();
        let on_event = move |event: &CacheEvent| {
            let (name, now) = match event {
                CacheEvent::Applied { new, .. } => (object::name(new).to_owned(), read_all([&**new])),
                CacheEvent::Deleted(last) => (object::name(last).to_owned(), Vec::new()),
                CacheEvent::Synced => return,
            };
            let changed = told.known.lock().take(&name, now);
            told.changed.notify_one();
            changed.into_iter().for_each(|owner| on_owner(owner));
        };
        let gvr = config_maps();
        let interest = Interest { namespace: Some(namespace.to_owned()), label_selector: format!("{LABEL}=true"), ..Interest::all(gvr) };
        let cache = Cache::start(hub.clone(), interest, Arc::new(on_event));
        Self { hub, namespace: namespace.to_owned(), cache, index }
    }

    /// Waits until all records have been read.
    pub async fn synced(&self) {
        self.cache.synced().await;
    }

    /// The records of an owner, by member.
    fn of(&self, owner: &Key) -> Vec<Tombstone> {
        self.index.known.lock().by_owner.get(owner).map(|records| records.values().cloned().collect()).unwrap_or_default()
    }

    /// All owners with records.
    pub fn owners(&self) -> Vec<Key> {
        self.index.known.lock().by_owner.keys().cloned().collect()
    }

    /// Writes records, all of one owner: they are on disk when this returns.
    async fn put(&self, owner: &Key, records: &[Tombstone]) -> Result<(), ClientError> {
        let data: Map<String, Value> = records.iter().map(|record| (record.entry(), record.to_text().into())).collect();
        let name = chunk_name(owner);
        loop {
            let patch = json!({"data": data});
            match self.hub.patch(&config_maps(), &self.namespace, &name, None, PatchKind::Merge, &patch, MANAGER, false).await {
                Err(error) if error.is_not_found() => {}
                other => return other.map(drop),
            }
            let whole = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": data,
                "metadata": {"name": name, "namespace": self.namespace, "labels": {LABEL: "true"}},
            });
            match self.hub.create(&config_maps(), &self.namespace, &whole, MANAGER).await {
                Err(error) if error.is_already_exists() => {}
                other => return other.map(drop),
            }
        }
    }

    /// Takes records away.
    async fn remove(&self, owner: &Key, records: &[&Tombstone]) -> Result<(), ClientError> {
        let data: Map<String, Value> = records.iter().map(|record| (record.entry(), Value::Null)).collect();
        let patch = json!({"data": data});
        match self.hub.patch(&config_maps(), &self.namespace, &chunk_name(owner), None, PatchKind::Merge, &patch, MANAGER, false).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

fn config_maps() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "configmaps")
}

fn chunk_name(owner: &Key) -> String {
    format!("comity-tombstones-{:02x}", record::chunk(owner))
}

impl Federation {
    /// Remembers the deletions that a plan defers; its finalizer may go when this is done.
    pub(crate) async fn bury(&self, running: &Running, seen: &Observed, deletion: &Deletion, clusters: &[String]) -> Result<(), String> {
        let owner = running.key(object::namespace(&seen.object), object::name(&seen.object));
        let records: Vec<Tombstone> = clusters
            .iter()
            .filter_map(|cluster| {
                let member = self.fleet.member(cluster)?;
                // a copy that an earlier owner of this name left has that owner's uid in its mark
                let known = match seen.members.get(cluster).map(|m| &m.copy) {
                    Some(Seen::Present(copy)) => hold_of(copy).map(|hold| (copy.uid.to_string(), hold.owner_uid.to_string())),
                    _ => None,
                };
                let (copy_uid, owner_uid) = known.unwrap_or_else(|| (String::new(), object::uid(&seen.object).to_owned()));
                Some(Tombstone {
                    kind: owner.kind.to_string(),
                    namespace: owner.namespace.to_string(),
                    name: owner.name.to_string(),
                    owner_uid,
                    cluster: cluster.clone(),
                    cluster_uid: member.uid.clone(),
                    copy_uid,
                    orphan: deletion.orphan,
                    delete_option: deletion.written.clone(),
                    at: rfc3339(Timestamp::now()),
                })
            })
            .collect();
        self.tombstones.put(&owner, &records).await.map_err(|e| format!("the deletions that come later could not be recorded: {e}"))
    }

    /// An owner of this name stands again: what it does with the copies is its own affair.
    pub(crate) async fn exhume(&self, owner: &Key) -> Result<(), String> {
        let records = self.tombstones.of(owner);
        if records.is_empty() {
            return Ok(());
        }
        tracing::info!(%owner, "created again: its copies in members that did not answer are not deleted any more");
        let all: Vec<&Tombstone> = records.iter().collect();
        self.tombstones.remove(owner, &all).await.map_err(|e| format!("the deletions of an earlier owner could not be cancelled: {e}"))
    }

    /// Carries out what was remembered of an owner that is gone, where the member answers.
    ///
    /// Returns after how long to look again, where something failed.
    pub(crate) async fn settle_tombstones(&self, running: &Running, owner: &Key) -> Result<Option<Duration>, String> {
        let mut wake = None;
        let records = self.tombstones.of(owner);
        let mut done = Vec::new();
        let mut actions = Vec::new();
        for record in &records {
            match self.fate(running, record, &mut wake) {
                Fate::Wait => {}
                Fate::Drop(why) => {
                    tracing::info!(%owner, cluster = record.cluster, why, "a remembered deletion has ended");
                    done.push(record);
                }
                Fate::Do(job) => {
                    let (namespace, name) = running.kind.copy_name(&owner.namespace, &owner.name);
                    let (namespace, name) = (namespace.to_owned(), name.to_owned());
                    let cluster = record.cluster.clone();
                    actions.push(CopyAction { cluster, namespace, name, job, urgency: Urgency::Drift, cause: Cause::Deferred });
                }
            }
        }
        if !actions.is_empty() {
            let gone = json!({"metadata": {"namespace": &*owner.namespace, "name": &*owner.name}});
            running.executor.copies(CopyRound { owner: Arc::new(gone), copies: 0, held_before: Default::default(), actions });
        }
        if !done.is_empty() {
            let removed = self.tombstones.remove(owner, &done).await;
            removed.map_err(|e| format!("a remembered deletion could not be taken away: {e}"))?;
        }
        Ok(wake)
    }

    /// Nothing is asked here: the member's lane does it, so that a slow member holds nobody up.
    fn fate(&self, running: &Running, record: &Tombstone, wake: &mut Option<Duration>) -> Fate {
        let member = self.fleet.member(&record.cluster);
        let health = member.as_ref().map(|member| member.health());
        if let Some(fate) = before_asking(record, member.as_ref().map(|m| m.uid.as_str()).zip(health.as_ref())) {
            return fate;
        }
        let (namespace, name) = running.kind.copy_name(&record.namespace, &record.name);
        let Some((member, copies)) = member.and_then(|member| member.copies(&record.kind).map(|copies| (member, copies))) else {
            return Fate::Wait;
        };
        if let Some(Attempt::Failed { retry_at, .. }) = member.lane.attempt(&copies, namespace, name) {
            sooner(wake, retry_at.saturating_duration_since(Instant::now()));
        }
        let epoch = self.hub_mark.epoch;
        match copies.see(namespace, name) {
            Seen::Present(copy) => after_asking(record, epoch, Some(&copy)),
            Seen::NotServed => after_asking(record, epoch, None),
            Seen::Absent | Seen::Unknown(_) if copies.is_gone(namespace, name) => after_asking(record, epoch, None),
            Seen::Absent | Seen::Unknown(_) => Fate::Do(Job::Look),
        }
    }

    /// Owners with records are looked at again.
    pub(crate) fn look_at_tombstones(&self) {
        for owner in self.tombstones.owners() {
            self.queue.add(owner, comity_runtime::Priority::Resync);
        }
        self.tombstones.index.changed.notify_one();
    }
}

fn hold_of(copy: &Copy) -> Option<&Hold> {
    match &copy.holder {
        comity_lane::Holder::Us(hold) => Some(hold),
        _ => None,
    }
}

/// The members that wait for deletions, with the owners.
fn pending(index: &Index) -> BTreeMap<String, Vec<String>> {
    let mut pending: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (owner, records) in &index.known.lock().by_owner {
        for cluster in records.keys() {
            pending.entry(cluster.clone()).or_default().push(owner.to_string());
        }
    }
    pending
}

/// Keeps the members' conditions true for ever.
pub(crate) async fn announce(federation: std::sync::Weak<Federation>, fleet: Fleet) {
    let Some(index) = federation.upgrade().map(|f| f.tombstones.index.clone()) else { return };
    drop(federation);
    loop {
        tell(&fleet, &pending(&index));
        index.changed.notified().await;
        tokio::time::sleep(tell::GATHER).await;
    }
}
