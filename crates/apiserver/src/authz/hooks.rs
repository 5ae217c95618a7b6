//! What Roles and bindings need beyond general rules: no escalation, and a reference that never changes.

use async_trait::async_trait;
use comity_core::{FieldError, Status, Value, object};

use super::{RoleWrite, escalation};
use crate::kinds::{Change, KindHooks};

/// The hooks of the four RBAC kinds.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn validate(&self, change: &Change<'_>, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let is_binding = change.resource.info.plural.ends_with("bindings");
        match (is_binding, old) {
            (true, Some(old)) if new.get("roleRef") != old.get("roleRef") => {
                let text = |key| object::str_at(new, &["roleRef", key]);
                // The real server prints its own struct here, not the object's JSON.
                let printed = comity_core::json!({"APIGroup": text("apiGroup"), "Kind": text("kind"), "Name": text("name")});
                vec![FieldError::invalid("roleRef", &printed, "cannot change roleRef")]
            }
            _ => Vec::new(),
        }
    }

    async fn check(&self, change: &Change<'_>, new: Option<&Value>, old: Option<&Value>) -> Result<(), Status> {
        let Some(new) = new else { return Ok(()) };
        let write = RoleWrite {
            user: change.user,
            resource: &change.resource.info.plural,
            namespace: change.namespace,
            name: change.name,
            new,
            old,
        };
        escalation::check(&change.cx.authz.rbac.index(), &write)
    }
}
