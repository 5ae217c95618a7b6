//! DaemonSets: an old annotation counts the changes of the template.

use async_trait::async_trait;
use comity_core::{Status, Value, object};

use super::{Change, KindHooks};

const COUNT: &str = "deprecated.daemonset.template.generation";

/// The annotation is always there, whoever writes.
pub fn add_count(set: &mut Value) {
    if object::annotation(set, COUNT).is_none() {
        object::set(set, &["metadata", "annotations", COUNT], "0".into());
    }
}

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, _change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        let count = match old {
            None => 1,
            Some(old) => {
                let before: i64 = object::annotation(old, COUNT).and_then(|text| text.parse().ok()).unwrap_or(0);
                let changed = object::at(new, &["spec", "template"]) != object::at(old, &["spec", "template"]);
                before + i64::from(changed)
            }
        };
        object::set(new, &["metadata", "annotations", COUNT], count.to_string().into());
        Ok(())
    }
}
