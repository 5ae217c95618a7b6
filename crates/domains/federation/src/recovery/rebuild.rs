//! From the copies of one owner to the owner.

use std::collections::BTreeMap;

use comity_core::{Map, Value, json, labels, object};

use super::{Marking, Rebuilt, asked_for};
use crate::model::{FederatedType, MANAGED};

/// The federated object that would make these copies: what most of them say is the template (of equally many, what the
/// first cluster says), the rest are overrides.
pub fn rebuild(kind: &FederatedType, namespace: &str, name: &str, copies: &BTreeMap<String, Marking>) -> Rebuilt {
    let contents: BTreeMap<&String, Value> = copies.iter().map(|(cluster, copy)| (cluster, content(&copy.live))).collect();
    let count = |content: &Value| contents.values().filter(|other| *other == content).count();
    let most = contents.values().map(count).max().unwrap_or(0);
    let template = contents.values().find(|content| count(content) == most).cloned().unwrap_or_else(|| json!({}));
    let overrides: Vec<Value> = contents
        .iter()
        .filter(|(_, content)| **content != template)
        .map(|(cluster, content)| {
            let mut steps = Vec::new();
            steps_between(&template, content, "", &mut steps);
            json!({"clusterName": cluster, "clusterOverrides": steps})
        })
        .collect();
    let clusters: Vec<String> = copies.keys().cloned().collect();
    let names: Vec<Value> = clusters.iter().map(|name| json!({"name": name})).collect();
    let mut federated = json!({
        "apiVersion": kind.federated.gvk().api_version(), "kind": kind.federated.kind,
        "metadata": {"name": name}, "spec": {"template": template, "placement": {"clusters": names}},
    });
    if !namespace.is_empty() {
        federated["metadata"]["namespace"] = namespace.into();
    }
    if !overrides.is_empty() {
        federated["spec"]["overrides"] = overrides.into();
    }
    let kind = kind.federated.kind.clone();
    Rebuilt { kind, name: comity_core::marks::object_name(namespace, name), object: federated, clusters }
}

/// What the hub asked for, without identity and marks.
fn content(live: &Value) -> Value {
    let mut content = asked_for(live);
    for path in [&["apiVersion"][..], &["kind"], &["status"], &["metadata", "name"], &["metadata", "namespace"]] {
        object::remove(&mut content, path);
    }
    for label in [MANAGED, labels::HUB] {
        object::remove(&mut content, &["metadata", "labels", label]);
    }
    for annotation in [labels::OWNER, labels::ADOPTED] {
        object::remove(&mut content, &["metadata", "annotations", annotation]);
    }
    for field in [&["metadata", "labels"][..], &["metadata", "annotations"], &["metadata"]] {
        if object::at(&content, field).and_then(Value::as_object).is_some_and(Map::is_empty) {
            object::remove(&mut content, field);
        }
    }
    content
}

/// RFC 6902 operations; lists are replaced as a whole, so that no path occurs twice.
fn steps_between(from: &Value, to: &Value, path: &str, steps: &mut Vec<Value>) {
    let (Value::Object(old), Value::Object(new)) = (from, to) else {
        if from != to {
            steps.push(json!({"op": "replace", "path": path, "value": to}));
        }
        return;
    };
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        steps.push(json!({"op": "remove", "path": child(path, key)}));
    }
    for (key, value) in new {
        match old.get(key) {
            Some(before) => steps_between(before, value, &child(path, key), steps),
            None => steps.push(json!({"op": "add", "path": child(path, key), "value": value})),
        }
    }
}

fn child(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// `path: old -> new` for every leaf that differs; the values of a Secret are not shown.
pub fn differences(old: &Value, new: &Value, secret: bool) -> Vec<String> {
    let mut steps = Vec::new();
    let (old, new) = (if old.is_object() { old.clone() } else { json!({}) }, if new.is_object() { new.clone() } else { json!({}) });
    steps_between(&old, &new, "", &mut steps);
    let hidden = |path: &str| secret && (path.starts_with("/data") || path.starts_with("/stringData"));
    let show = |path: &str, value: Option<&Value>| match value {
        None => "nothing".to_owned(),
        Some(_) if hidden(path) => "***".to_owned(),
        Some(value) => value.to_string(),
    };
    steps
        .iter()
        .map(|step| {
            let path = object::str_at(step, &["path"]);
            format!("{path}: {} -> {}", show(path, old.pointer(path)), show(path, step.get("value")))
        })
        .collect()
}
