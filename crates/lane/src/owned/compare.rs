//! Is an object still what was applied? Judged without a write: by the manager's own set of fields and their values.

use comity_core::{Map, Value, object};

use super::{entries, last_other, of_subresource, step};

/// The first place where an object is not what was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field, as people write it.
    pub field: String,
    /// Who holds it now, or wrote last where nobody holds it; empty when nobody can tell.
    pub manager: String,
}

/// Compares a live object with what `manager` applies; `None` when it would change nothing.
///
/// A value that the server writes in another form than it was given, or that a webhook replaces, is a difference: only
/// applying again can tell.
pub fn difference(applied: &Value, live: &Value, manager: &str) -> Option<Difference> {
    let own = entries(live)
        .find(|e| object::str_at(e, &["manager"]) == manager && object::str_at(e, &["operation"]) == "Apply" && !of_subresource(e));
    let Some(fields) = own.and_then(|e| e.get("fieldsV1")).and_then(Value::as_object) else {
        return Some(Difference {
            field: "metadata.managedFields".to_owned(),
            manager: last_other(live, manager).unwrap_or_default().to_owned(),
        });
    };
    let mut path = Vec::new();
    if stands(fields, &owned_part(applied), Some(live), &mut path) {
        return None;
    }
    let elements: Vec<&str> = path.iter().map(String::as_str).collect();
    let manager = holder(live, manager, &elements).or_else(|| last_other(live, manager)).unwrap_or_default().to_owned();
    Some(Difference { field: readable(&elements), manager })
}

/// What of an applied object becomes owned.
fn owned_part(applied: &Value) -> Value {
    let mut part = applied.clone();
    for key in ["apiVersion", "kind", "status"] {
        object::remove(&mut part, &[key]);
    }
    if let Some(Value::Object(metadata)) = part.get_mut("metadata") {
        metadata.retain(|key, value| matches!(key.as_str(), "labels" | "annotations") && !is_empty(value));
    }
    if part.get("metadata").is_some_and(is_empty) {
        object::remove(&mut part, &["metadata"]);
    }
    part
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

/// `path` is left at the first difference.
fn stands(fields: &Map<String, Value>, wanted: &Value, live: Option<&Value>, path: &mut Vec<String>) -> bool {
    if fields.is_empty() {
        return covers(live, wanted) || deeper(wanted, live, path);
    }
    match wanted {
        Value::Object(map) => {
            for (name, value) in map {
                let element = format!("f:{name}");
                let below = fields.get(&element).and_then(Value::as_object);
                path.push(element);
                match below {
                    Some(below) if stands(below, value, live.and_then(|l| l.get(name)), path) => drop(path.pop()),
                    Some(_) => return false,
                    None => {
                        deeper(value, live.and_then(|l| l.get(name)), path);
                        return false;
                    }
                }
            }
            let extra = fields.keys().find(|key| *key != "." && !key.strip_prefix("f:").is_some_and(|name| map.contains_key(name)));
            path.extend(extra.cloned());
            extra.is_none()
        }
        Value::Array(items) => {
            let mut elements: Vec<&String> = fields.keys().filter(|key| *key != ".").collect();
            for item in items {
                let Some(at) = elements.iter().position(|element| names(element, item)) else {
                    path.push(by_name(item));
                    return false;
                };
                let element = elements.swap_remove(at);
                let nothing = Map::new();
                let below = fields[element].as_object().unwrap_or(&nothing);
                path.push(element.clone());
                if !stands(below, item, live.and_then(|l| step(l, element)), path) {
                    return false;
                }
                path.pop();
            }
            path.extend(elements.first().map(|element| (*element).clone()));
            elements.is_empty()
        }
        _ => false,
    }
}

/// Follows a difference down as long as it is one field of an object, for a better name. Always false.
fn deeper(wanted: &Value, live: Option<&Value>, path: &mut Vec<String>) -> bool {
    if let (Value::Object(map), Some(live @ Value::Object(_))) = (wanted, live)
        && let Some((name, value)) = map.iter().find(|(name, value)| !covers(live.get(name.as_str()), value))
    {
        path.push(format!("f:{name}"));
        deeper(value, live.get(name.as_str()), path);
    }
    false
}

/// Whether the live value says what is wanted; it may say more, as defaults do.
fn covers(live: Option<&Value>, wanted: &Value) -> bool {
    match (wanted, live) {
        (Value::Null, None) => true,
        (Value::Object(map), Some(Value::Object(live))) => map.iter().all(|(name, value)| covers(live.get(name), value)),
        (Value::Array(items), Some(Value::Array(live))) => {
            items.len() == live.len() && items.iter().zip(live).all(|(item, live)| covers(Some(live), item))
        }
        (wanted, Some(live)) => wanted == live,
        (_, None) => false,
    }
}

/// Whether a `k:` or `v:` element can be this item's; keys that the item does not name have been defaulted.
fn names(element: &str, item: &Value) -> bool {
    match element.split_once(':') {
        Some(("k", keys)) => serde_json::from_str::<Map<String, Value>>(keys)
            .is_ok_and(|keys| keys.iter().all(|(name, value)| item.get(name).is_none_or(|known| known == value))),
        Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item),
        _ => false,
    }
}

fn by_name(item: &Value) -> String {
    match item.get("name") {
        Some(name) => format!("k:{{\"name\":{name}}}"),
        None => "v:".to_owned() + &item.to_string(),
    }
}

/// The other manager whose set has the place, or something above or below it.
fn holder<'a>(live: &'a Value, manager: &str, path: &[&str]) -> Option<&'a str> {
    let has = |entry: &&Value| {
        let mut at = entry.get("fieldsV1");
        for element in path {
            match at.and_then(Value::as_object) {
                Some(fields) if fields.is_empty() => return true,
                Some(fields) => at = fields.get(*element),
                None => return false,
            }
        }
        at.is_some()
    };
    let others = entries(live).filter(|e| object::str_at(e, &["manager"]) != manager);
    others.filter(has).max_by_key(|e| object::str_at(e, &["time"])).map(|e| object::str_at(e, &["manager"]))
}

/// Path elements as people write them: `spec.ports[port=80].name`.
pub(super) fn readable(elements: &[&str]) -> String {
    let mut out = String::new();
    for element in elements {
        let (form, rest) = element.split_once(':').unwrap_or(("f", element));
        match form {
            "f" if rest.contains(['.', '/']) => out.push_str(&format!("[{rest}]")),
            "f" => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(rest);
            }
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
                out.push_str(&format!("[{}]", keys.join(",")));
            }
            "v" => out.push_str(&format!("[{}]", serde_json::from_str(rest).map_or_else(|_| rest.to_owned(), |value| plain(&value)))),
            _ => out.push_str(&format!("[{rest}]")),
        }
    }
    out
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn applied() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "n", "namespace": "ns", "uid": "u", "labels": {"app": "web"}, "annotations": {}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [
                {"name": "c", "image": "i", "ports": [{"containerPort": 80}]}], "volumes": [{"name": "v", "emptyDir": {}}]}}},
        })
    }

    fn live() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "n", "namespace": "ns", "uid": "u", "labels": {"app": "web", "team": "x"}, "managedFields": [
                {"manager": "us", "operation": "Apply", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app": {}}},
                    "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {
                        "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:image": {},
                            "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}},
                        "f:volumes": {"k:{\"name\":\"v\"}": {".": {}, "f:name": {}, "f:emptyDir": {}}}}}}}},
                {"manager": "kubectl-label", "operation": "Update", "time": "1", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}},
            ]},
            "spec": {"replicas": 3, "strategy": {}, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [
                {"name": "c", "image": "i", "imagePullPolicy": "Always", "ports": [{"containerPort": 80, "protocol": "TCP"}]}],
                "volumes": [{"name": "v", "emptyDir": {}}]}}},
        })
    }

    fn changed(path: &str, value: Value) -> String {
        let mut live = live();
        *live.pointer_mut(path).unwrap() = value;
        told(&live)
    }

    fn told(live: &Value) -> String {
        difference(&applied(), live, "us").map_or("none".to_owned(), |d| format!("{} by {}", d.field, d.manager))
    }

    #[test]
    fn defaults_and_what_others_add_are_no_difference() {
        assert_eq!(told(&live()), "none");
    }

    #[test]
    fn a_changed_value_is_named_with_who_holds_it() {
        assert_eq!(changed("/spec/replicas", json!(1)), "spec.replicas by kubectl-label");
        assert_eq!(
            changed("/spec/template/spec/containers/0/image", json!("x")),
            "spec.template.spec.containers[name=c].image by kubectl-label"
        );
        let mut taken = live();
        object::remove(&mut taken["metadata"]["managedFields"][0]["fieldsV1"], &["f:spec", "f:replicas"]);
        taken["spec"]["replicas"] = 5.into();
        taken["metadata"]["managedFields"].as_array_mut().unwrap().insert(
            0,
            json!({"manager": "hpa", "operation": "Update", "subresource": "scale", "time": "0", "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
        );
        assert_eq!(told(&taken), "spec.replicas by hpa");
    }

    #[test]
    fn a_field_that_is_no_longer_applied_and_one_that_is_new_are_differences() {
        let mut wanted = applied();
        object::remove(&mut wanted, &["spec", "replicas"]);
        assert_eq!(difference(&wanted, &live(), "us").unwrap().field, "spec.replicas");
        let mut wanted = applied();
        wanted["spec"]["paused"] = true.into();
        assert_eq!(difference(&wanted, &live(), "us").unwrap().field, "spec.paused");
        let mut wanted = applied();
        wanted["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 81.into();
        assert!(difference(&wanted, &live(), "us").unwrap().field.starts_with("spec.template.spec.containers[name=c].ports"));
    }

    #[test]
    fn a_removed_item_is_a_difference() {
        let mut gone = live();
        gone["spec"]["template"]["spec"]["volumes"] = json!([]);
        object::remove(&mut gone["metadata"]["managedFields"][0]["fieldsV1"], &["f:spec", "f:template", "f:spec", "f:volumes"]);
        assert_eq!(told(&gone), "spec.template.spec.volumes by kubectl-label");
    }

    #[test]
    fn an_object_without_a_set_of_ours_differs() {
        let mut live = live();
        live["metadata"]["managedFields"] = json!([]);
        assert_eq!(told(&live), "metadata.managedFields by ");
    }
}
