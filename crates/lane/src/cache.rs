//! A local copy of one resource of one cluster, kept true by list and watch.

pub(crate) mod reflector;
pub(crate) mod store;

use std::sync::Arc;

use comity_core::{GroupVersionResource, Value, object};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::client::{ClientError, ClusterClient};
use store::{Incoming, Objects};

/// What a cache holds.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// The resource.
    pub gvr: GroupVersionResource,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Label selector in its text form; empty selects all.
    pub label_selector: String,
    /// Field selector in its text form; empty selects all.
    pub field_selector: String,
    /// Cuts every object down before it is kept; name, namespace, uid and resourceVersion must stay.
    pub project: Option<fn(&mut Value)>,
    /// Objects are kept as text and parsed at every look: for resources with many objects that are seldom looked at.
    pub packed: bool,
}

impl Interest {
    /// All objects of a resource, without their managedFields.
    pub fn all(gvr: GroupVersionResource) -> Self {
        Self { gvr, project: Some(without_managed_fields), ..Self::default() }
    }
}

/// A projection: everything but `metadata.managedFields`.
pub fn without_managed_fields(object: &mut Value) {
    object::remove(object, &["metadata", "managedFields"]);
}

/// What happened to the copy.
#[derive(Clone, Debug)]
pub enum CacheEvent {
    /// An object appeared or changed.
    Applied {
        /// The state before, if it was known.
        old: Option<Arc<Value>>,
        /// The state now.
        new: Arc<Value>,
    },
    /// An object is gone; its last known state.
    Deleted(Arc<Value>),
    /// A whole list has been taken in: what is not there does not exist.
    Synced,
}

/// Told about every event, in order, after the copy shows it. It must not block.
pub type OnEvent = Arc<dyn Fn(&CacheEvent) + Send + Sync>;

/// The copy. Clones share it; the watch ends when the last one is dropped.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
    _task: Arc<Task>,
}

/// What the reflector's task and the readers share.
struct Shared {
    interest: Interest,
    objects: Objects,
    /// The revision that the copy shows; `None` before the first list.
    revision: watch::Sender<Option<u128>>,
    last_error: Mutex<Option<ClientError>>,
    retry_now: Notify,
    on_event: OnEvent,
}

impl Shared {
    /// Tells the events, then the revision: who waits for a revision finds everything done.
    fn publish(&self, events: &[CacheEvent], revision: &str) {
        for event in events {
            (self.on_event)(event);
        }
        if let Ok(revision) = revision.parse() {
            self.revision.send_replace(Some(revision));
        }
    }
}

impl reflector::Sink for Shared {
    type Item = Incoming;

    fn keep(&self, object: Value) -> Incoming {
        Incoming::of(object, self.interest.packed)
    }

    fn missing(&self, listed: &[Incoming], _revision: &str) -> Vec<reflector::Known> {
        self.objects.missing(listed)
    }

    fn listed(&self, items: Vec<Incoming>, revision: &str) {
        self.objects.replace(items, &mut |event| (self.on_event)(event));
        self.publish(&[], revision);
        // whoever is told this finds `is_synced` true
        (self.on_event)(&CacheEvent::Synced);
    }

    fn changed(&self, object: Value, revision: &str) {
        let mut events = Vec::new();
        self.objects.put(self.keep(object), &mut events);
        self.publish(&events, revision);
    }

    fn deleted(&self, last: Value, revision: &str) {
        let mut events = Vec::new();
        self.objects.remove(last, &mut events);
        self.publish(&events, revision);
    }

    fn passed(&self, revision: &str) {
        self.publish(&[], revision);
    }

    fn trouble(&self, error: Option<&ClientError>) {
        *self.last_error.lock() = error.cloned();
    }

    async fn retry_now(&self) {
        self.retry_now.notified().await;
    }
}

struct Task(tokio::task::AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Cache {
    /// Begins to list and watch. Objects that a lost connection leaves unseen stay as they were last known.
    pub fn start(client: ClusterClient, interest: Interest, on_event: OnEvent) -> Self {
        let shared = Arc::new(Shared {
            interest,
            objects: Objects::default(),
            revision: watch::Sender::new(None),
            last_error: Mutex::new(None),
            retry_now: Notify::new(),
            on_event,
        });
        let task = tokio::spawn(reflector::run(client, shared.interest.clone(), shared.clone()));
        Self { shared, _task: Arc::new(Task(task.abort_handle())) }
    }

    /// What the cache holds.
    pub fn interest(&self) -> &Interest {
        &self.shared.interest
    }

    /// One object; the namespace is empty for cluster-scoped ones.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.shared.objects.get(namespace, name)
    }

    /// All objects, by namespace and name.
    pub fn list(&self) -> Vec<Arc<Value>> {
        self.shared.objects.list()
    }

    /// Namespaces and names of all objects.
    pub fn names(&self) -> Vec<(String, String)> {
        self.shared.objects.names()
    }

    /// The objects of one namespace, by name.
    pub fn list_namespace(&self, namespace: &str) -> Vec<Arc<Value>> {
        self.shared.objects.list_namespace(namespace)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.shared.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a whole list has been taken in since the start.
    pub fn is_synced(&self) -> bool {
        self.shared.revision.borrow().is_some()
    }

    /// Waits for the first whole list.
    pub async fn synced(&self) {
        self.until(|revision| revision.is_some()).await;
    }

    /// Waits until the copy shows this revision of its resource, so that it shows a write that answered with it.
    ///
    /// It waits for as long as the cluster cannot be watched: give it a time limit of your own.
    pub async fn reached(&self, resource_version: &str) {
        if let Ok(wanted) = resource_version.parse::<u128>() {
            self.until(|revision| revision.is_some_and(|r| r >= wanted)).await;
        }
    }

    /// Waits until an object with this uid is no longer there under its name.
    pub async fn gone(&self, namespace: &str, name: &str, uid: &str) {
        self.until(|_| self.get(namespace, name).is_none_or(|now| object::uid(&now) != uid)).await;
    }

    /// Why the copy may be behind; `None` while the watch runs.
    pub fn last_error(&self) -> Option<ClientError> {
        self.shared.last_error.lock().clone()
    }

    /// Ends a pause after a failure, for when the cluster is known to be back.
    pub fn retry_now(&self) {
        self.shared.retry_now.notify_one();
    }

    async fn until(&self, mut holds: impl FnMut(&Option<u128>) -> bool) {
        // an error means that the sender is gone, which `self` prevents
        let _ = self.shared.revision.subscribe().wait_for(|revision| holds(revision)).await;
    }
}

#[cfg(test)]
mod tests;
