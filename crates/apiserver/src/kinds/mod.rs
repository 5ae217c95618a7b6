//! What a kind needs beyond the rules that data can state.

mod daemon_set;
mod job;
mod namespace;
mod pod;
mod secret;
pub mod service;
mod volume;

use async_trait::async_trait;
use comity_core::{FieldError, Status, Value};
use jiff::Timestamp;

pub use crate::admission::{AdmissionContext as Change, Operation};
use crate::{
    authn, authz, crd,
    cx::Cx,
    handlers::{delete::Step, delete_options::DeleteOptions},
    registry::Resource,
};

/// Functions of one kind, called at fixed places of a write.
#[async_trait]
pub trait KindHooks: Send + Sync {
    /// Fills fields and keeps what a client may not change; runs after mutating admission and before validation.
    ///
    /// # Errors
    /// The status with which the write is refused.
    fn prepare(&self, _change: &Change<'_>, _new: &mut Value, _old: Option<&Value>) -> Result<(), Status> {
        Ok(())
    }

    /// What is wrong with the new object, beyond what its schema and the general rules find.
    fn validate(&self, _change: &Change<'_>, _new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
        Vec::new()
    }

    /// A last check before the write (or deletion, when `new` is absent), such as RBAC escalation.
    ///
    /// # Errors
    /// The status with which the write is refused.
    async fn check(&self, _change: &Change<'_>, _new: Option<&Value>, _old: Option<&Value>) -> Result<(), Status> {
        Ok(())
    }

    /// Gives back what `prepare` took, when the write is not made after all.
    fn abandoned(&self, _cx: &Cx, _new: &Value, _old: Option<&Value>) {}

    /// Runs after the write is stored and before the client gets its answer; not for dry runs.
    async fn stored(&self, _cx: &Cx, _new: Option<&Value>, _old: Option<&Value>) {}
}

/// The hooks of a resource, if it has any.
pub fn hooks(resource: &Resource) -> Option<&'static dyn KindHooks> {
    if resource.custom.is_some() {
        return None;
    }
    Some(match &*resource.storage {
        "pods" => &pod::Hooks,
        "services" => &service::Hooks,
        "secrets" => &secret::Hooks,
        "serviceaccounts" => &authn::secret_tokens::AccountHooks,
        "namespaces" => &namespace::Hooks,
        "persistentvolumes" | "persistentvolumeclaims" => &volume::Hooks,
        "batch/jobs" => &job::Hooks,
        "apps/daemonsets" => &daemon_set::Hooks,
        storage if storage.starts_with("rbac.authorization.k8s.io/") => &authz::Hooks,
        "apiextensions.k8s.io/customresourcedefinitions" => &crd::Hooks,
        _ => return None,
    })
}

/// The step of a deletion for kinds that have rules of their own.
pub fn deletion(resource: &Resource, object: &mut Value, options: &DeleteOptions, now: Timestamp) -> Option<Step> {
    match &*resource.storage {
        "namespaces" => Some(namespace::deletion(resource, object, options, now)),
        "apiextensions.k8s.io/customresourcedefinitions" => crd::deletion(object, &comity_core::time::rfc3339(now)),
        _ => None,
    }
}

/// Whether nothing of the kind's own holds a deleting object back.
pub fn may_go(resource: &Resource, object: &Value) -> bool {
    &*resource.storage != "namespaces" || namespace::is_finalized(object)
}

/// Fields that stand for others become those others before it is noted who owns them.
pub fn before_ownership(resource: &Resource, object: &mut Value) {
    match &*resource.storage {
        "secrets" => secret::merge_string_data(object),
        "pods" => pod::list_addresses(object),
        "apps/daemonsets" => daemon_set::add_count(object),
        _ => {}
    }
}

/// Whether a new object keeps the status that it comes with: kubelets register their nodes so.
pub fn brings_status(resource: &Resource) -> bool {
    &*resource.storage == "nodes"
}
