//! A pod's priority comes from its class; one class at most is the default.

use async_trait::async_trait;
use comity_core::{Status, Value, object};
use comity_store::Key;

use super::{Admission, AdmissionContext, Operation};

const CLASSES: &str = "scheduling.k8s.io/priorityclasses";

/// The plugin.
pub struct Priority;

#[async_trait]
impl Admission for Priority {
    fn name(&self) -> &str {
        "Priority"
    }

    async fn admit(&self, context: &AdmissionContext<'_>, object: Option<&mut Value>, _old: Option<&Value>) -> Result<Vec<String>, Status> {
        let Some(object) = object else { return Ok(Vec::new()) };
        if context.is_new_pod() {
            resolve(context, object)?;
        } else if &*context.resource.storage == CLASSES
            && matches!(context.operation, Operation::Create | Operation::Update)
            && object.get("globalDefault") == Some(&Value::Bool(true))
        {
            let name = object::name(object);
            if let Some(other) = default_class(context).filter(|c| object::name(c) != name) {
                let why = format!("PriorityClass {} is already marked as default. Only one default can exist", object::name(&other));
                return Err(context.forbidden(&why));
            }
        }
        Ok(Vec::new())
    }
}

fn default_class(context: &AdmissionContext<'_>) -> Option<Value> {
    let classes = context.cx.store.list(CLASSES, None).entries;
    let mut defaults: Vec<Value> =
        classes.iter().map(|e| e.object()).filter(|c| c.get("globalDefault") == Some(&Value::Bool(true))).collect();
    defaults.sort_by_key(|c| c.get("value").and_then(Value::as_i64));
    defaults.into_iter().next()
}

fn resolve(context: &AdmissionContext<'_>, pod: &mut Value) -> Result<(), Status> {
    let name = object::str_at(pod, &["spec", "priorityClassName"]).to_owned();
    let class = if name.is_empty() {
        let class = default_class(context);
        if let Some(class) = &class {
            object::set(pod, &["spec", "priorityClassName"], object::name(class).into());
        }
        class
    } else {
        let entry = context.cx.store.get(&Key::new(CLASSES, "", name.as_str()));
        Some(entry.ok_or_else(|| context.forbidden(&format!("no PriorityClass with name {name} was found")))?.object())
    };
    let priority = class.as_ref().and_then(|c| c.get("value")).and_then(Value::as_i64).unwrap_or(0);
    let given = object::int_at(pod, &["spec", "priority"]);
    if given.is_some_and(|given| given != priority) {
        let why = format!(
            "the integer value of priority ({}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name",
            given.unwrap_or(0)
        );
        return Err(context.forbidden(&why));
    }
    object::set(pod, &["spec", "priority"], priority.into());
    if object::str_at(pod, &["spec", "preemptionPolicy"]).is_empty() {
        let policy = class.as_ref().map_or("", |c| object::str_at(c, &["preemptionPolicy"]));
        object::set(pod, &["spec", "preemptionPolicy"], if policy.is_empty() { "PreemptLowerPriority" } else { policy }.into());
    }
    Ok(())
}
