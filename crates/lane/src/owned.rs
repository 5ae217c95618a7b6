//! What one field manager owns of an object, and a digest of it.
//!
//! The digest covers the paths that the manager's entries in `metadata.managedFields` name, with the values that stand
//! there. Whoever changes, takes over or removes such a field changes the digest; a change of anything else does not.

pub mod additions;
pub mod compare;

use comity_core::{Map, Value, digest::Digest, object};

/// The digest of the fields that `manager` owns, in all its entries of the main resource.
pub fn digest(object: &Value, manager: &str) -> u64 {
    let mut digest = Digest::default();
    for entry in entries(object).filter(|e| object::str_at(e, &["manager"]) == manager && !of_subresource(e)) {
        digest.text(object::str_at(entry, &["operation"]));
        if let Some(fields) = entry.get("fieldsV1").and_then(Value::as_object) {
            walk(&mut digest, fields, Some(object));
        }
    }
    digest.finish()
}

/// The digest of the fields that `manager` owns together with what others added in exclusive places.
pub fn digest_with(object: &Value, manager: &str, additions: &[additions::Addition<'_>], exclusive: &[additions::Place]) -> u64 {
    let own = digest(object, manager);
    let mut whole = Digest::default();
    whole.bytes(&own.to_le_bytes());
    let mut any = false;
    for addition in additions.iter().filter(|a| a.is_in(exclusive)) {
        addition.digest(&mut whole);
        any = true;
    }
    if any { whole.finish() } else { own }
}

/// Whether a manager other than `manager` owns the field at a path of names.
pub fn held_by_another(object: &Value, manager: &str, path: &[&str]) -> bool {
    entries(object).filter(|e| object::str_at(e, &["manager"]) != manager).any(|entry| {
        let mut at = entry.get("fieldsV1");
        for name in path {
            at = at.and_then(|fields| fields.get(format!("f:{name}")));
        }
        at.is_some()
    })
}

/// The manager other than `manager` that wrote last.
pub fn last_other<'a>(object: &'a Value, manager: &str) -> Option<&'a str> {
    let others = entries(object).filter(|e| object::str_at(e, &["manager"]) != manager && object::str_at(e, &["subresource"]) != "status");
    others.max_by_key(|e| object::str_at(e, &["time"])).map(|e| object::str_at(e, &["manager"]))
}

/// Moves what earlier managers own to `manager`, so that a field that leaves the applied set leaves the object.
///
/// `None` when there is nothing to move.
pub fn taken_over(object: &Value, manager: &str, earlier: &[&str], now: &str) -> Option<Value> {
    moved(object, manager, now, |name, fields| earlier.contains(&name).then(|| (fields.clone(), Map::new())))
}

/// Moves what all others own in these places to `manager`, so that the next apply removes it there.
///
/// `None` when there is nothing to move.
pub fn taken_over_below(object: &Value, manager: &str, places: &[&[&str]], now: &str) -> Option<Value> {
    moved(object, manager, now, |_, fields| {
        let (mut taken, mut left) = (Map::new(), fields.clone());
        for place in places {
            if let Some(below) = cut(&mut left, place) {
                unite(&mut taken, &nested(place, below));
            }
        }
        (!taken.is_empty()).then_some((taken, left))
    })
}

/// The managedFields after `take` has said of each other manager's fields what is taken and what is left.
fn moved(
    object: &Value,
    manager: &str,
    now: &str,
    take: impl Fn(&str, &Map<String, Value>) -> Option<(Map<String, Value>, Map<String, Value>)>,
) -> Option<Value> {
    let mut union = Map::new();
    let mut kept = Vec::new();
    let mut version = String::new();
    let mut moved = false;
    for entry in entries(object) {
        let name = object::str_at(entry, &["manager"]);
        let fields = entry.get("fieldsV1").and_then(Value::as_object);
        let (Some(fields), false) = (fields, of_subresource(entry)) else {
            kept.push(entry.clone());
            continue;
        };
        if name == manager && object::str_at(entry, &["operation"]) == "Apply" {
            unite(&mut union, fields);
        } else if let Some((taken, left)) = take(name, fields) {
            unite(&mut union, &taken);
            moved = true;
            if !left.is_empty() {
                let mut entry = entry.clone();
                entry["fieldsV1"] = Value::Object(left);
                kept.push(entry);
            }
        } else {
            kept.push(entry.clone());
            continue;
        }
        object::str_at(entry, &["apiVersion"]).clone_into(&mut version);
    }
    if !moved {
        return None;
    }
    kept.push(comity_core::json!({
        "manager": manager, "operation": "Apply", "apiVersion": version, "time": now, "fieldsType": "FieldsV1", "fieldsV1": union,
    }));
    Some(Value::Array(kept))
}

/// Takes the set below a path of names out, and parents that are left with nothing.
fn cut(fields: &mut Map<String, Value>, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let key = format!("f:{first}");
    if rest.is_empty() {
        return fields.shift_remove(&key);
    }
    let below = fields.get_mut(&key)?.as_object_mut()?;
    let taken = cut(below, rest)?;
    if below.keys().all(|k| k == ".") {
        fields.shift_remove(&key);
    }
    Some(taken)
}

fn nested(path: &[&str], below: Value) -> Map<String, Value> {
    let whole = path.iter().rev().fold(below, |below, name| Value::Object(Map::from_iter([(format!("f:{name}"), below)])));
    match whole {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The part of an object that `manager` owns in the main resource; identity is always in it.
pub fn extract(object: &Value, manager: &str) -> Value {
    let mut union = Map::new();
    for entry in entries(object).filter(|e| object::str_at(e, &["manager"]) == manager && !of_subresource(e)) {
        if let Some(fields) = entry.get("fieldsV1").and_then(Value::as_object) {
            unite(&mut union, fields);
        }
    }
    let mut part = pick(&union, object);
    for field in ["apiVersion", "kind"] {
        if let Some(value) = object.get(field) {
            part[field] = value.clone();
        }
    }
    for field in ["name", "namespace"] {
        if let Some(value) = object::at(object, &["metadata", field]) {
            object::set(&mut part, &["metadata", field], value.clone());
        }
    }
    part
}

/// What a set of fields names of a value, in the value's own order.
fn pick(fields: &Map<String, Value>, live: &Value) -> Value {
    let below = |key: &str| fields.get(key).and_then(Value::as_object);
    match live {
        Value::Object(map) => {
            let named = map.iter().filter_map(|(name, value)| {
                let inner = below(&format!("f:{name}"))?;
                Some((name.clone(), if whole(inner, value) { value.clone() } else { pick(inner, value) }))
            });
            Value::Object(named.collect())
        }
        Value::Array(items) => {
            let named: Vec<(&String, &Value)> = fields.keys().filter_map(|key| Some((key, step(live, key)?))).collect();
            let picked = items.iter().filter_map(|item| {
                let (key, _) = named.iter().find(|(_, named)| std::ptr::eq(*named, item))?;
                let inner = below(key)?;
                Some(if whole(inner, item) { item.clone() } else { pick(inner, item) })
            });
            Value::Array(picked.collect())
        }
        other => other.clone(),
    }
}

/// Whether a set of fields stands for everything below: a leaf, or an item or map that is owned itself and has nothing more.
fn whole(fields: &Map<String, Value>, value: &Value) -> bool {
    fields.is_empty() || !(value.is_object() || value.is_array())
}

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    object::items_at(object, &["metadata", "managedFields"]).iter()
}

fn of_subresource(entry: &Value) -> bool {
    !object::str_at(entry, &["subresource"]).is_empty()
}

fn unite(into: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (key, below) in fields {
        let slot = into.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
        if let (Value::Object(slot), Value::Object(below)) = (slot, below) {
            unite(slot, below);
        }
    }
}

/// Keys are visited in sorted order: servers are free to write the set in any.
fn walk(digest: &mut Digest, fields: &Map<String, Value>, live: Option<&Value>) {
    let mut keys: Vec<&String> = fields.keys().collect();
    keys.sort_unstable();
    for key in keys {
        digest.text(key);
        if key == "." {
            digest.bytes(if live.is_some() { b"+" } else { b"-" });
            continue;
        }
        let below = live.and_then(|live| step(live, key));
        match fields[key].as_object().filter(|inner| !inner.is_empty()) {
            Some(inner) => {
                digest.bytes(b"(");
                walk(digest, inner, below);
                digest.bytes(b")");
            }
            None => match below {
                Some(value) => digest.value(value),
                None => digest.bytes(b"-"),
            },
        }
    }
}

/// One path element: `f:name`, `k:{"key":"value"}`, `v:value` or `i:index`.
fn step<'a>(live: &'a Value, key: &str) -> Option<&'a Value> {
    let (form, rest) = key.split_once(':')?;
    match form {
        "f" => live.get(rest),
        "i" => live.get(rest.parse::<usize>().ok()?),
        "v" => {
            let wanted: Value = serde_json::from_str(rest).ok()?;
            live.as_array()?.iter().find(|item| **item == wanted)
        }
        "k" => {
            let wanted: Map<String, Value> = serde_json::from_str(rest).ok()?;
            live.as_array()?.iter().find(|item| wanted.iter().all(|(name, value)| item.get(name) == Some(value)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    const OURS: &str = "comity-federation";

    fn live() -> Value {
        json!({
            "metadata": {
                "labels": {"app": "web", "theirs": "x"},
                "managedFields": [
                    {"manager": OURS, "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:app": {}}},
                        "f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}}}}}},
                    {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:theirs": {}}}}},
                    {"manager": "hpa", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                ],
            },
            "spec": {"replicas": 3, "containers": [{"name": "other", "image": "o"}, {"name": "c", "image": "i", "tty": true}]},
            "status": {"replicas": 3},
        })
    }

    fn changed(path: &str, value: Value) -> u64 {
        let mut object = live();
        *object.pointer_mut(path).unwrap() = value;
        digest(&object, OURS)
    }

    #[test]
    fn only_owned_fields_count() {
        let base = digest(&live(), OURS);
        assert_eq!(changed("/status/replicas", json!(1)), base);
        assert_eq!(changed("/metadata/labels/theirs", json!("y")), base);
        assert_eq!(changed("/spec/containers/1/tty", json!(false)), base);
        assert_eq!(changed("/spec/containers/0/image", json!("p")), base);
        assert_ne!(changed("/spec/replicas", json!(1)), base);
        assert_ne!(changed("/metadata/labels/app", json!("y")), base);
        assert_ne!(changed("/spec/containers/1/image", json!("p")), base);
        assert_ne!(changed("/spec/containers", json!([])), base);
    }

    #[test]
    fn the_order_of_items_does_not_count() {
        let mut object = live();
        object["spec"]["containers"].as_array_mut().unwrap().reverse();
        assert_eq!(digest(&object, OURS), digest(&live(), OURS));
    }

    #[test]
    fn a_field_that_another_manager_took_over_changes_the_digest() {
        let mut object = live();
        object::remove(&mut object["metadata"]["managedFields"][0]["fieldsV1"], &["f:spec", "f:replicas"]);
        assert_ne!(digest(&object, OURS), digest(&live(), OURS));
    }

    #[test]
    fn another_holder_is_seen_through_subresources_too() {
        assert!(held_by_another(&live(), OURS, &["spec", "replicas"]));
        assert!(held_by_another(&live(), "hpa", &["spec", "replicas"]));
        assert!(!held_by_another(&live(), OURS, &["spec", "containers"]));
    }

    #[test]
    fn the_part_that_a_manager_owns_is_picked_out() {
        let part = extract(&live(), OURS);
        assert_eq!(part, json!({"metadata": {"labels": {"app": "web"}}, "spec": {"replicas": 3, "containers": [{"image": "i"}]}}));
        assert_eq!(extract(&live(), "nobody"), json!({}));
    }

    #[test]
    fn what_an_earlier_manager_owns_is_taken_over_once() {
        let moved = taken_over(&live(), OURS, &["kubectl"], "2026-01-01T00:00:00Z").unwrap();
        let managers: Vec<&str> = moved.as_array().unwrap().iter().map(|e| object::str_at(e, &["manager"])).collect();
        assert_eq!(managers, ["hpa", OURS]);
        assert_eq!(moved[1]["fieldsV1"]["f:metadata"]["f:labels"], json!({"f:app": {}, "f:theirs": {}}));
        let mut object = live();
        object["metadata"]["managedFields"] = moved;
        assert_eq!(taken_over(&object, OURS, &["kubectl"], ""), None);
    }
}
