//! The recorded RBAC objects, priority classes and the like: made when missing, completed when a rule or subject is.

use comity_core::{GroupVersionKind, Status, Value, object};
use comity_schema::builtin;
use comity_store::Key;
use futures::{StreamExt, TryStreamExt};

use super::write;
use crate::cx::Cx;

/// A role or binding with `"false"` here is left as it is.
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
/// How many objects are written at a time: the store makes writes that wait together durable together.
const AT_A_TIME: usize = 64;

/// Makes and completes the objects.
pub async fn run(cx: &Cx) -> Result<(), Status> {
    let wanted = builtin::bootstrap_objects();
    futures::stream::iter(wanted.iter().map(|object| one(cx, object))).buffer_unordered(AT_A_TIME).try_collect::<Vec<()>>().await?;
    Ok(())
}

async fn one(cx: &Cx, wanted: &Value) -> Result<(), Status> {
    let kind: GroupVersionKind = object::gvk(wanted);
    let registry = cx.registry.current();
    let Some(resource) = registry.find_kind(&kind) else {
        tracing::warn!(%kind, name = object::name(wanted), "a recorded object is of a kind that is not served; it is left out");
        return Ok(());
    };
    let namespace = if resource.info.namespaced { Some(object::namespace(wanted)) } else { None };
    let collection = resource.gvr().path(namespace);
    let stored = cx.store.get(&Key::new(resource.storage.clone(), namespace.unwrap_or(""), object::name(wanted)));
    match stored {
        None => write::create(cx, &collection, wanted).await.map(drop),
        Some(entry) => match completed(&entry.object(), wanted) {
            Some(patch) => write::merge(cx, &format!("{collection}/{}", object::name(wanted)), &patch).await,
            None => Ok(()),
        },
    }
}

/// The patch that adds what a stored object lacks; nothing when it lacks nothing or must be left alone.
fn completed(stored: &Value, wanted: &Value) -> Option<Value> {
    if object::annotation(stored, AUTOUPDATE) != Some("true") {
        return None;
    }
    let mut patch = comity_core::json!({});
    for key in ["rules", "subjects"] {
        // The rules of an aggregated role are those of others.
        if key == "rules" && stored.get("aggregationRule").is_some() {
            continue;
        }
        let mut list = object::items_at(stored, &[key]).to_vec();
        let before = list.len();
        for item in object::items_at(wanted, &[key]) {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
        if list.len() > before {
            patch[key] = Value::Array(list);
        }
    }
    (patch.as_object().is_some_and(|p| !p.is_empty())).then_some(patch)
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn role(autoupdate: &str, rules: &Value) -> Value {
        json!({"metadata": {"name": "view", "annotations": {AUTOUPDATE: autoupdate}}, "rules": rules})
    }

    #[test]
    fn missing_rules_are_added_and_others_kept() {
        let (a, b, own) = (json!({"verbs": ["get"]}), json!({"verbs": ["list"]}), json!({"verbs": ["watch"]}));
        let patch = completed(&role("true", &json!([own, a])), &role("true", &json!([a, b])));
        assert_eq!(patch, Some(json!({"rules": [own, a, b]})));
    }

    #[test]
    fn complete_objects_and_those_under_manual_care_are_left_alone() {
        let rules = json!([{"verbs": ["get"]}]);
        assert_eq!(completed(&role("true", &rules), &role("true", &rules)), None);
        assert_eq!(completed(&role("false", &json!([])), &role("true", &rules)), None);
    }
}
