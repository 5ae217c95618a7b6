//! Events: what happened to an object, for people; repeated ones are counted, floods are cut off.

mod aggregate;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use comity_core::{GroupVersionResource, Value, json, object, time};
use comity_lane::{ClusterClient, PatchKind};
use jiff::Timestamp;
use tokio::sync::mpsc;

use aggregate::{Aggregate, Write};

/// Writers of one recorder: events of one object keep their order, others do not wait for it.
const WRITERS: u64 = 4;
/// Events that may wait for a writer; more are dropped, as telling must not slow the work down.
const BACKLOG: usize = 4096;

/// Writes core/v1 Events in the background. Clones share the writers, which end when the last clone is dropped.
#[derive(Clone)]
pub struct EventRecorder {
    component: Arc<str>,
    writers: Arc<Vec<mpsc::Sender<Told>>>,
}

/// Whether an event is a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the API's")]
pub enum EventKind {
    Normal,
    Warning,
}

/// An event as it was told.
#[derive(Clone, Debug)]
struct Told {
    about: Value,
    host: String,
    kind: EventKind,
    reason: String,
    message: String,
    at: Timestamp,
}

impl EventRecorder {
    /// A recorder for a component, such as `deployment-controller`.
    pub fn new(client: ClusterClient, component: &str) -> Self {
        let component: Arc<str> = component.into();
        let writers = (0..WRITERS)
            .map(|_| {
                let (sender, receiver) = mpsc::channel(BACKLOG);
                tokio::spawn(write(client.clone(), component.clone(), receiver));
                sender
            })
            .collect();
        Self { component, writers: Arc::new(writers) }
    }

    /// The component that events are told by.
    pub fn component(&self) -> &str {
        &self.component
    }

    /// Tells an event about an object.
    pub fn record(&self, about: &Value, kind: EventKind, reason: &str, message: &str) {
        self.record_from("", about, kind, reason, message);
    }

    /// Tells an event about an object from a host, as node agents do.
    pub fn record_from(&self, host: &str, about: &Value, kind: EventKind, reason: &str, message: &str) {
        let told = Told {
            about: reference(about),
            host: host.to_owned(),
            kind,
            reason: reason.to_owned(),
            message: message.to_owned(),
            at: Timestamp::now(),
        };
        let mut hasher = DefaultHasher::new();
        (object::uid(about), object::name(about)).hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % WRITERS).unwrap_or(0);
        if let Some(Err(error)) = self.writers.get(index).map(|writer| writer.try_send(told)) {
            tracing::debug!(%error, reason, "dropped an event");
        }
    }
}

/// The `involvedObject` of an object.
fn reference(about: &Value) -> Value {
    let mut reference = json!({"kind": object::str_at(about, &["kind"])});
    let parts = [
        ("namespace", object::namespace(about)),
        ("name", object::name(about)),
        ("uid", object::uid(about)),
        ("apiVersion", object::str_at(about, &["apiVersion"])),
        ("resourceVersion", object::resource_version(about)),
    ];
    for (key, value) in parts {
        if !value.is_empty() {
            reference[key] = value.into();
        }
    }
    reference
}

async fn write(client: ClusterClient, component: Arc<str>, mut told: mpsc::Receiver<Told>) {
    let gvr = GroupVersionResource::new("", "v1", "events");
    let mut aggregate = Aggregate::default();
    while let Some(event) = told.recv().await {
        let namespace = namespace_of(&event.about).to_owned();
        let first = match aggregate.take(&event) {
            Write::Drop => continue,
            Write::Again { name, count } => {
                let patch = json!({"count": count, "lastTimestamp": time::rfc3339(event.at), "message": event.message});
                match client.patch(&gvr, &namespace, &name, None, PatchKind::Merge, &patch, &component, false).await {
                    // it has expired: it begins anew
                    Err(error) if error.is_not_found() => aggregate.renamed(&event),
                    Err(error) => {
                        tracing::debug!(%error, reason = event.reason, "could not count an event");
                        continue;
                    }
                    Ok(_) => continue,
                }
            }
            Write::First { name } => name,
        };
        if let Err(error) = client.create(&gvr, &namespace, &new_event(&event, &first, &component), &component).await {
            tracing::debug!(%error, reason = event.reason, "could not write an event");
        }
    }
}

/// Events about cluster-scoped objects live in `default`.
fn namespace_of(about: &Value) -> &str {
    match object::str_at(about, &["namespace"]) {
        "" => "default",
        namespace => namespace,
    }
}

fn new_event(event: &Told, name: &str, component: &str) -> Value {
    let at = time::rfc3339(event.at);
    let mut source = json!({"component": component});
    if !event.host.is_empty() {
        source["host"] = event.host.as_str().into();
    }
    json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": namespace_of(&event.about)},
        "involvedObject": event.about, "reason": event.reason, "message": event.message, "source": source,
        "firstTimestamp": at, "lastTimestamp": at, "count": 1, "type": format!("{:?}", event.kind),
        "reportingComponent": component, "reportingInstance": event.host,
    })
}

#[cfg(test)]
mod tests;
