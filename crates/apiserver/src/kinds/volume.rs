//! Volumes and claims begin as Pending.

use async_trait::async_trait;
use comity_core::{Status, Value, json, object};

use super::{Change, KindHooks};

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, _change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        if old.is_none() {
            object::set(new, &["status"], json!({"phase": "Pending"}));
        }
        Ok(())
    }
}
