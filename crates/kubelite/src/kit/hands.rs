//! How a controller writes.

use comity_core::{GroupVersionResource, Value, json, object};
use comity_runtime::{
    EventKind, EventRecorder,
    lane::{ClientError, ClusterClient, DeleteOptions, PatchKind},
};

/// The field manager of the controllers of a controller manager.
pub(crate) const CONTROLLER_MANAGER: &str = "kube-controller-manager";
/// The field manager of a node agent.
pub(crate) const KUBELET: &str = "kubelet";
/// The field manager of the scheduler.
pub(crate) const SCHEDULER: &str = "kube-scheduler";

/// A controller's client with its field manager and its voice.
#[derive(Clone)]
pub(crate) struct Hands {
    pub(crate) client: ClusterClient,
    manager: &'static str,
    events: EventRecorder,
}

/// An event that a plan wants told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) kind: EventKind,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Told {
    pub(crate) fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind: EventKind::Normal, reason, message: message.into() }
    }

    pub(crate) fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind: EventKind::Warning, reason, message: message.into() }
    }
}

impl Hands {
    /// `component` is the source that events name.
    pub(crate) fn new(client: ClusterClient, manager: &'static str, component: &str) -> Self {
        Self { events: EventRecorder::new(client.clone(), component), client, manager }
    }

    /// The same voice and field manager with another user's client.
    pub(crate) fn acting_as(&self, client: ClusterClient) -> Self {
        Self { client, manager: self.manager, events: self.events.clone() }
    }

    pub(crate) fn tell(&self, about: &Value, told: &Told) {
        self.events.record(about, told.kind, told.reason, &told.message);
    }

    pub(crate) fn tell_from(&self, host: &str, about: &Value, told: &Told) {
        self.events.record_from(host, about, told.kind, told.reason, &told.message);
    }

    pub(crate) async fn create(&self, gvr: &GroupVersionResource, object: &Value) -> Result<Value, ClientError> {
        self.client.create(gvr, object::namespace(object), object, self.manager).await
    }

    /// Merges a patch into an object that must still be the same one.
    pub(crate) async fn merge(
        &self,
        gvr: &GroupVersionResource,
        object: &Value,
        subresource: Option<&str>,
        mut patch: Value,
    ) -> Result<Value, ClientError> {
        if !object::uid(object).is_empty() {
            object::set(&mut patch, &["metadata", "uid"], object::uid(object).into());
        }
        let (namespace, name) = (object::namespace(object), object::name(object));
        self.client.patch(gvr, namespace, name, subresource, PatchKind::Merge, &patch, self.manager, false).await
    }

    /// Replaces an object at the state given.
    pub(crate) async fn replace(
        &self,
        gvr: &GroupVersionResource,
        object: &Value,
        subresource: Option<&str>,
    ) -> Result<Value, ClientError> {
        self.client.replace(gvr, object::namespace(object), object::name(object), subresource, object, self.manager).await
    }

    /// Replaces the status of an object at the state given. Controllers of a controller manager may update a status, but not patch it.
    pub(crate) async fn write_status(&self, gvr: &GroupVersionResource, object: &Value, status: Value) -> Result<Value, ClientError> {
        let mut updated = object.clone();
        object::map_mut(&mut updated).insert("status".to_owned(), status);
        self.replace(gvr, &updated, Some("status")).await
    }

    /// Deletes this object and not another one of its name.
    pub(crate) async fn delete(
        &self,
        gvr: &GroupVersionResource,
        object: &Value,
        options: DeleteOptions,
    ) -> Result<Option<Value>, ClientError> {
        let options = DeleteOptions { uid: Some(object::uid(object).to_owned()), ..options };
        self.client.delete(gvr, object::namespace(object), object::name(object), &options).await
    }

    /// Becomes the controller of an object.
    pub(crate) async fn adopt(&self, gvr: &GroupVersionResource, object: &Value, owner: &Value) -> Result<Value, ClientError> {
        let patch = json!({"metadata": {"uid": object::uid(object), "ownerReferences": [controller_reference(owner)]}});
        self.strategic(gvr, object, &patch).await
    }

    /// Lets go of an object.
    pub(crate) async fn release(&self, gvr: &GroupVersionResource, object: &Value, owner: &Value) -> Result<Value, ClientError> {
        let mine = json!({"$patch": "delete", "uid": object::uid(owner)});
        let patch = json!({"metadata": {"uid": object::uid(object), "ownerReferences": [mine]}});
        self.strategic(gvr, object, &patch).await
    }

    /// Merges a patch into the status of an object that must still be the same one; lists with keys are merged by them.
    pub(crate) async fn strategic_status(
        &self,
        gvr: &GroupVersionResource,
        object: &Value,
        mut patch: Value,
    ) -> Result<Value, ClientError> {
        object::set(&mut patch, &["metadata", "uid"], object::uid(object).into());
        let (namespace, name) = (object::namespace(object), object::name(object));
        self.client.patch(gvr, namespace, name, Some("status"), PatchKind::Strategic, &patch, self.manager, false).await
    }

    async fn strategic(&self, gvr: &GroupVersionResource, object: &Value, patch: &Value) -> Result<Value, ClientError> {
        let (namespace, name) = (object::namespace(object), object::name(object));
        self.client.patch(gvr, namespace, name, None, PatchKind::Strategic, patch, self.manager, false).await
    }
}

/// The owner reference of a controller.
pub(crate) fn controller_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": object::name(owner), "uid": object::uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}
