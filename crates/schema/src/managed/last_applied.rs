//! The annotation of client-side apply, which server-side apply by the same client keeps true.

use comity_core::object;
use serde_json::Value;

use super::{compare::compare, conflict::Conflict, extract::extract};
use crate::node::Node;

/// Name of the annotation.
pub(super) const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The only manager that this concerns: kubectl's default one.
pub(super) const MANAGER: &str = "kubectl";
/// Annotations of an object may not be bigger in total.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Leaves out conflicts about fields that client-side apply set and that nobody changed since.
pub(super) fn settle<'a>(node: &Node, live: &Value, api_version: &str, mut conflicts: Vec<Conflict<'a>>) -> Vec<Conflict<'a>> {
    let Some(last) = object::annotation(live, ANNOTATION).and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return conflicts;
    };
    if object::str_at(&last, &["apiVersion"]) != api_version {
        return conflicts;
    }
    let difference = compare(node, &last, live);
    let allowed = extract(node, &last).without(&difference.modified).without(&difference.added).without(&difference.removed);
    for conflict in &mut conflicts {
        conflict.fields.subtract(&allowed);
    }
    conflicts.retain(|conflict| !conflict.fields.is_empty());
    conflicts
}

/// Brings the annotation up to date with what was applied, where the object has it.
pub(super) fn refresh(object: &mut Value, config: &Value) {
    if object::annotation(object, ANNOTATION).is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    object::remove(&mut config, &["metadata", "annotations", ANNOTATION]);
    let mut text = String::new();
    write_sorted(&config, &mut text);
    text.push('\n');
    let others: usize = object::at(object, &["metadata", "annotations"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != ANNOTATION)
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if others + ANNOTATION.len() + text.len() > MAX_ANNOTATIONS {
        object::remove(object, &["metadata", "annotations", ANNOTATION]);
    } else {
        object::set(object, &["metadata", "annotations", ANNOTATION], Value::String(text));
    }
}

/// JSON with sorted keys.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                super::element::write_json_text(key, out);
                out.push(':');
                write_sorted(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, value) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_sorted(value, out);
            }
            out.push(']');
        }
        Value::String(text) => super::element::write_json_text(text, out),
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_annotation_follows_the_applied_configuration() {
        let mut object = json!({"metadata": {"annotations": {ANNOTATION: "old"}}, "spec": {"a": 1, "z": 2}});
        refresh(&mut object, &json!({"spec": {"z": 2, "a": "<"}, "metadata": {"annotations": {ANNOTATION: "x", "k": "v"}}}));
        assert_eq!(
            object::annotation(&object, ANNOTATION),
            Some("{\"metadata\":{\"annotations\":{\"k\":\"v\"}},\"spec\":{\"a\":\"\\u003c\",\"z\":2}}\n")
        );
        let mut without = json!({"metadata": {}});
        refresh(&mut without, &json!({}));
        assert_eq!(without, json!({"metadata": {}}));
    }
}
