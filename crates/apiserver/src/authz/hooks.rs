//! What Roles and bindings need beyond general rules: no escalation.

use async_trait::async_trait;
use comity_core::{Status, Value};

use super::{RoleWrite, escalation};
use crate::kinds::{Change, KindHooks};

/// The hooks of the four RBAC kinds.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
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
