//! What a member holds of a resource that decisions look at: objects that are no copies, cut down to what is looked at.

use std::sync::Arc;

use comity_core::{GroupVersionResource, Value};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::{
    cache::{
        CacheEvent, Interest,
        reflector::{self, Known, Sink},
        store::{Incoming, Objects},
    },
    client::{ClientError, ClusterClient},
};

/// Told of every change; [`CacheEvent::Synced`] when what is known of all of them changed. It must not block.
pub type OnFact = Arc<dyn Fn(&CacheEvent) + Send + Sync>;

/// Whether the objects are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// They have been listed: what is not there does not exist.
    Read,
    /// The member does not serve the resource, or does not let it be listed.
    Unavailable,
    /// Nobody knows yet; the text says why where something stands in the way.
    Unread(String),
}

/// The objects. They outlive changes of the connection: what a lost watch leaves unseen stays as it was last known.
pub struct Facts {
    interest: Interest,
    objects: Objects,
    state: RwLock<State>,
    on_fact: OnFact,
    retry_now: Notify,
    watch: Mutex<Option<tokio::task::AbortHandle>>,
}

#[derive(Default)]
struct State {
    read: bool,
    trouble: Option<ClientError>,
}

impl Facts {
    /// Nothing yet, and nothing that feeds it.
    pub fn new(interest: Interest, on_fact: OnFact) -> Arc<Self> {
        let (objects, state) = (Objects::default(), RwLock::default());
        Arc::new(Self { interest, objects, state, on_fact, retry_now: Notify::new(), watch: Mutex::new(None) })
    }

    /// Follows the member through this client; a watch through an earlier one ends.
    pub fn follow(self: &Arc<Self>, client: ClusterClient) {
        let task = tokio::spawn(reflector::run(client, self.interest.clone(), self.clone()));
        if let Some(earlier) = self.watch.lock().replace(task.abort_handle()) {
            earlier.abort();
        }
    }

    /// Forgets everything: another cluster answers under this name now.
    pub fn forget(&self) {
        *self.state.write() = State::default();
        self.objects.replace(Vec::new(), &mut |_| {});
    }

    /// Ends the watch.
    pub fn stop(&self) {
        if let Some(watch) = self.watch.lock().take() {
            watch.abort();
        }
    }

    /// Ends a pause of the watch after a failure.
    pub fn retry_now(&self) {
        self.retry_now.notify_one();
    }

    /// The resource.
    pub fn gvr(&self) -> &GroupVersionResource {
        &self.interest.gvr
    }

    /// Whether the objects are known.
    pub fn knowledge(&self) -> Knowledge {
        let state = self.state.read();
        match &state.trouble {
            _ if state.read => Knowledge::Read,
            None => Knowledge::Unread(String::new()),
            Some(error) if error.status().is_some_and(|s| matches!(s.code, 403..=405)) => Knowledge::Unavailable,
            Some(error) => Knowledge::Unread(error.to_string()),
        }
    }

    /// The objects of one namespace, by name.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<Value>> {
        self.objects.list_namespace(namespace)
    }

    fn tell(&self, events: &[CacheEvent]) {
        events.iter().for_each(|event| (self.on_fact)(event));
    }
}

impl Drop for Facts {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Sink for Facts {
    type Item = Incoming;

    fn keep(&self, object: Value) -> Incoming {
        Incoming::of(object, self.interest.packed)
    }

    fn missing(&self, listed: &[Incoming], _: &str) -> Vec<Known> {
        self.objects.missing(listed)
    }

    fn listed(&self, items: Vec<Incoming>, _: &str) {
        // whoever is told of an object of the first list finds that the list was read
        let news = {
            let mut state = self.state.write();
            state.trouble = None;
            !std::mem::replace(&mut state.read, true)
        };
        self.objects.replace(items, &mut |event| (self.on_fact)(event));
        if news {
            self.tell(&[CacheEvent::Synced]);
        }
    }

    fn changed(&self, object: Value, _: &str) {
        let mut events = Vec::new();
        self.objects.put(self.keep(object), &mut events);
        self.tell(&events);
    }

    fn deleted(&self, last: Value, _: &str) {
        let mut events = Vec::new();
        self.objects.remove(last, &mut events);
        self.tell(&events);
    }

    fn passed(&self, _: &str) {}

    fn trouble(&self, error: Option<&ClientError>) {
        let before = self.knowledge();
        self.state.write().trouble = error.cloned();
        if self.knowledge() != before {
            self.tell(&[CacheEvent::Synced]);
        }
    }

    async fn retry_now(&self) {
        self.retry_now.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use comity_core::{Reason, Status, json};

    use super::*;

    fn facts() -> (Arc<Facts>, Arc<Mutex<Vec<String>>>) {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let tell = told.clone();
        let on_fact: OnFact = Arc::new(move |event| {
            tell.lock().push(match event {
                CacheEvent::Applied { .. } => "applied".to_owned(),
                CacheEvent::Deleted(_) => "deleted".to_owned(),
                CacheEvent::Synced => "all".to_owned(),
            });
        });
        (Facts::new(Interest::default(), on_fact), told)
    }

    fn thing() -> Value {
        json!({"metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "1"}})
    }

    #[test]
    fn what_was_read_stays_known_when_the_member_falls_silent() {
        let (facts, told) = facts();
        assert_eq!(facts.knowledge(), Knowledge::Unread(String::new()));
        facts.listed(vec![facts.keep(thing())], "1");
        facts.trouble(Some(&ClientError::Timeout));
        assert_eq!(facts.knowledge(), Knowledge::Read);
        assert_eq!(facts.in_namespace("ns").len(), 1);
        assert_eq!(*told.lock(), ["applied", "all"]);
    }

    #[test]
    fn a_resource_that_may_not_be_listed_is_told_once() {
        let (facts, told) = facts();
        let error = ClientError::of_status(Status::new(Reason::Forbidden, "no"));
        facts.trouble(Some(&error));
        facts.trouble(Some(&error));
        assert_eq!(facts.knowledge(), Knowledge::Unavailable);
        assert_eq!(*told.lock(), ["all"]);
        facts.trouble(Some(&ClientError::Timeout));
        assert!(matches!(facts.knowledge(), Knowledge::Unread(why) if !why.is_empty()));
    }
}
