//! Namespaces: their own finalizers, phase and name label.

use async_trait::async_trait;
use comity_core::{Status, Value, json, labels::NAMESPACE_NAME, object};
use jiff::Timestamp;

use super::{Change, KindHooks};
use crate::{
    handlers::{
        delete::{self, Step},
        delete_options::DeleteOptions,
    },
    registry::Resource,
};

/// Whether `spec.finalizers` is empty.
pub fn is_finalized(namespace: &Value) -> bool {
    object::items_at(namespace, &["spec", "finalizers"]).is_empty()
}

/// The first deletion marks the namespace; it goes when its contents are gone and its finalizers are taken away.
pub fn deletion(resource: &Resource, namespace: &mut Value, options: &DeleteOptions, now: Timestamp) -> Step {
    if object::is_deleting(namespace) {
        return if is_finalized(namespace) && object::finalizers(namespace).next().is_none() { Step::Remove } else { Step::Pending };
    }
    if delete::plan(resource, &mut namespace.clone(), options, now) == Step::Remove && is_finalized(namespace) {
        return Step::Remove;
    }
    object::set(namespace, &["metadata", "deletionTimestamp"], comity_core::time::rfc3339(now).into());
    object::set(namespace, &["status", "phase"], "Terminating".into());
    Step::Mark
}

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        let name = object::name(new).to_owned();
        let Some(old) = old else {
            object::set(new, &["status"], json!({"phase": "Active"}));
            let mut finalizers = object::items_at(new, &["spec", "finalizers"]).to_vec();
            if !finalizers.iter().any(|f| f == "kubernetes") {
                finalizers.push("kubernetes".into());
            }
            object::set(new, &["spec", "finalizers"], Value::Array(finalizers));
            object::set(new, &["metadata", "labels", NAMESPACE_NAME], name.into());
            return Ok(());
        };
        match change.subresource {
            // Only this endpoint takes finalizers away.
            "finalize" => {
                object::set(new, &["status"], old.get("status").cloned().unwrap_or_else(|| json!({})));
            }
            "" => {
                object::set(new, &["spec", "finalizers"], object::at(old, &["spec", "finalizers"]).cloned().unwrap_or_else(|| json!([])));
                object::set(new, &["metadata", "labels", NAMESPACE_NAME], name.into());
            }
            _ => {}
        }
        Ok(())
    }
}
