//! What a kind needs beyond the rules that data can state.

use async_trait::async_trait;
use comity_core::{FieldError, Status, Value};

pub use crate::admission::{AdmissionContext as Change, Operation};
use crate::{authn, authz, crd, cx::Cx, registry::Resource};

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

    /// Runs after the write is stored and before the client gets its answer; not for dry runs.
    async fn stored(&self, _cx: &Cx, _new: Option<&Value>, _old: Option<&Value>) {}
}

/// The hooks of a resource, if it has any.
pub fn hooks(resource: &Resource) -> Option<&'static dyn KindHooks> {
    Some(match (resource.info.group.as_str(), resource.info.plural.as_str()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => &crd::Hooks,
        ("rbac.authorization.k8s.io", _) => &authz::Hooks,
        ("", "secrets") => &authn::secret_tokens::SecretHooks,
        ("", "serviceaccounts") => &authn::secret_tokens::AccountHooks,
        _ => return None,
    })
}
