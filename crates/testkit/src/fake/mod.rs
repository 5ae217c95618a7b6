//! A Kubernetes API in memory without threads, sockets or a clock of its own: every run of a test is the same one.
//!
//! It knows what a federation needs of an API server (lists, watches, server-side apply, merge patches, preconditions,
//! finalizers, definitions) and nothing else: what it accepts a real one may refuse.

mod kinds;
mod serve;
mod state;
mod write;

use std::sync::Arc;

use comity_core::{GroupVersionResource, Status, Value};
use http::Method;
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use state::State;

/// The cluster. Clones share it.
#[derive(Clone)]
pub struct FakeCluster {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// The newest revision.
    news: watch::Sender<u64>,
    /// What times are counted from.
    began: Instant,
}

/// A writing request, refused or not.
#[derive(Clone, Debug)]
pub struct Written {
    /// When.
    pub at: Instant,
    /// Method.
    pub method: Method,
    /// Resource.
    pub gvr: GroupVersionResource,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Subresource, empty for the object itself.
    pub subresource: String,
    /// Field manager.
    pub manager: String,
    /// What was sent.
    pub body: Value,
    /// The object before.
    pub before: Option<Arc<Value>>,
    /// The object after; the same one when nothing changed.
    pub after: Option<Arc<Value>>,
    /// The HTTP code of the answer.
    pub code: u16,
}

impl Written {
    /// Whether something changed.
    pub fn changed(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            (None, None) => false,
            _ => true,
        }
    }
}

impl FakeCluster {
    /// An empty cluster with the namespaces that every cluster has. Its name is in the uids that it gives.
    pub fn new(name: &str) -> Self {
        let inner = Inner { state: Mutex::new(State::new(name)), news: watch::Sender::new(0), began: Instant::now() };
        let cluster = Self { inner: Arc::new(inner) };
        for namespace in ["default", "kube-system"] {
            let body = comity_core::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            let gvr = GroupVersionResource::new("", "v1", "namespaces");
            // an empty cluster takes a namespace
            let _ = cluster.write(&write::Request { method: Method::POST, gvr, body, ..write::Request::default() });
        }
        cluster.take_written();
        cluster
    }

    /// Another cluster with the same objects, uids and revisions, as a clone of its machine has.
    pub fn twin(&self) -> Self {
        let state = self.inner.state.lock().clone();
        let inner = Inner { news: watch::Sender::new(state.revision), state: Mutex::new(state), began: self.inner.began };
        Self { inner: Arc::new(inner) }
    }

    /// A writing request of somebody in this cluster; patches are merge patches. It is noted under the manager's name.
    ///
    /// # Errors
    /// As an API server refuses it.
    pub fn request(
        &self,
        manager: &str,
        method: Method,
        gvr: &GroupVersionResource,
        namespace: &str,
        name: &str,
        body: Value,
    ) -> Result<Value, Status> {
        let (namespace, name, manager) = (namespace.to_owned(), name.to_owned(), manager.to_owned());
        let request = write::Request { method, gvr: gvr.clone(), namespace, name, manager, body, ..write::Request::default() };
        self.write(&request).map(|(_, answer)| answer)
    }

    /// One object.
    pub fn get(&self, gvr: &GroupVersionResource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.inner.state.lock().get(&state::Place::of(gvr, namespace, name))
    }

    /// All objects of a resource, by namespace and name.
    pub fn list(&self, gvr: &GroupVersionResource) -> Vec<Arc<Value>> {
        self.inner.state.lock().list(gvr, None)
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        *self.inner.news.borrow()
    }

    /// All writing requests since they were last taken.
    pub fn take_written(&self) -> Vec<Written> {
        std::mem::take(&mut self.inner.state.lock().written)
    }

    /// Watches from here on cannot begin at an earlier revision.
    pub fn forget_history(&self) {
        self.inner.state.lock().forget_history();
    }
}
