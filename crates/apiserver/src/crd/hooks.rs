//! What a definition needs beyond general rules when it is written.

use async_trait::async_trait;
use comity_core::{FieldError, Status, Value, condition, object};

use super::{
    status::{self, FINALIZER},
    sync,
};
use crate::{
    cx::Cx,
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

/// Prepares a definition whose deletion was asked for: its objects go first.
pub fn deleting(definition: &mut Value, now: &str) {
    if object::is_deleting(definition) || object::finalizers(definition).any(|f| f == FINALIZER) {
        return;
    }
    let mut finalizers = object::items_at(definition, &["metadata", "finalizers"]).to_vec();
    finalizers.push(FINALIZER.into());
    object::set(definition, &["metadata", "finalizers"], Value::Array(finalizers));
    let mut conditions = object::items_at(definition, &["status", "conditions"]).to_vec();
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    condition::set(&mut conditions, "Terminating", "True", "InstanceDeletionPending", message, now);
    object::set(definition, &["status", "conditions"], Value::Array(conditions));
}
