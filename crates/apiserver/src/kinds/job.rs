//! Jobs: the selector and the labels that tie a Job to its Pods.

use async_trait::async_trait;
use comity_core::{Status, Value, json, object};

use super::{Change, KindHooks};

const UID: &str = "batch.kubernetes.io/controller-uid";
const NAME: &str = "batch.kubernetes.io/job-name";

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, _change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        if old.is_some() || object::at(new, &["spec", "manualSelector"]) == Some(&Value::Bool(true)) {
            return Ok(());
        }
        let (uid, name) = (object::uid(new).to_owned(), object::name(new).to_owned());
        for (key, value) in [(UID, &uid), (NAME, &name), ("controller-uid", &uid), ("job-name", &name)] {
            // What the user wrote stays, and validation says that it does not fit.
            if object::at(new, &["spec", "template", "metadata", "labels", key]).is_none() {
                object::set(new, &["spec", "template", "metadata", "labels", key], value.as_str().into());
            }
        }
        object::set(new, &["spec", "selector", "matchLabels", UID], json!(uid));
        Ok(())
    }
}
