//! What a definition needs beyond general rules when it is written.

use async_trait::async_trait;
use comity_core::{FieldError, Status, Value, condition, object};

use super::{
    status::{self, FINALIZER},
    sync,
};
use crate::{
    cx::Cx,
    handlers::delete::Step,
    kinds::{Change, KindHooks},
};

/// The hooks of `customresourcedefinitions.apiextensions.k8s.io`.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        if change.subresource.is_empty() {
            status::default(new);
            let status = status::initial(new, old);
            object::set(new, &["status"], status);
        }
        Ok(())
    }

    fn validate(&self, change: &Change<'_>, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        if change.subresource.is_empty() { comity_schema::crd::validate_definition(new, old) } else { Vec::new() }
    }

    async fn stored(&self, cx: &Cx, new: Option<&Value>, old: Option<&Value>) {
        let Some(definition) = new.or(old) else { return };
        if let Err(error) = sync::definition(cx, object::name(definition), object::str_at(definition, &["spec", "group"])).await {
            tracing::error!(definition = object::name(definition), %error, "the status of a definition could not be written");
        }
    }
}

/// Marks a definition for deletion: its objects go first. Nothing when it is marked already and deletion goes its usual way.
pub fn deletion(definition: &mut Value, now: &str) -> Option<Step> {
    if object::is_deleting(definition) {
        return None;
    }
    object::set(definition, &["metadata", "deletionTimestamp"], now.into());
    if !object::finalizers(definition).any(|f| f == FINALIZER) {
        let mut finalizers = object::items_at(definition, &["metadata", "finalizers"]).to_vec();
        finalizers.push(FINALIZER.into());
        object::set(definition, &["metadata", "finalizers"], Value::Array(finalizers));
    }
    let mut conditions = object::items_at(definition, &["status", "conditions"]).to_vec();
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    condition::set(&mut conditions, "Terminating", "True", "InstanceDeletionPending", message, now);
    object::set(definition, &["status", "conditions"], Value::Array(conditions));
    Some(Step::Mark)
}
