//! Volumes and claims begin as Pending.

use async_trait::async_trait;
use comity_core::{Status, Value, json, object};

use super::{Change, KindHooks};

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        if old.is_none() {
            let mut status = json!({"phase": "Pending"});
            if &*change.resource.storage == "persistentvolumes" {
                status["lastPhaseTransitionTime"] = change.cx.now_text().into();
            }
            object::set(new, &["status"], status);
        }
        Ok(())
    }
}
