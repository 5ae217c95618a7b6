//! Reading and changing the common parts of any API object.

use serde_json::{Map, Value};

use crate::kinds::{GroupVersionKind, split_api_version};

/// A string at a path of keys, empty when absent or not a string.
pub fn str_at<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or("")
}

/// The value at a path of keys.
pub fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

/// An integer at a path of keys.
pub fn int_at(object: &Value, path: &[&str]) -> Option<i64> {
    at(object, path).and_then(Value::as_i64)
}

/// The items of an array at a path of keys; nothing when absent.
pub fn items_at<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    at(object, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Sets the value at a path of keys, making objects on the way (and replacing what is not an object).
pub fn set(object: &mut Value, path: &[&str], value: Value) {
    let Some((last, parents)) = path.split_last() else {
        *object = value;
        return;
    };
    let mut at = object;
    for key in parents {
        at = map_mut(at).entry((*key).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    map_mut(at).insert((*last).to_owned(), value);
}

/// Removes the value at a path of keys and returns it; the order of the other keys is kept.
pub fn remove(object: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let mut at = object;
    for key in parents {
        at = at.get_mut(*key)?;
    }
    at.as_object_mut()?.shift_remove(*last)
}

/// The value as a map, turned into an empty one when it is something else.
pub fn map_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("just made an object"),
    }
}

/// `metadata.name`, empty when absent.
pub fn name(object: &Value) -> &str {
    str_at(object, &["metadata", "name"])
}

/// `metadata.namespace`, empty when absent.
pub fn namespace(object: &Value) -> &str {
    str_at(object, &["metadata", "namespace"])
}

/// `metadata.uid`, empty when absent.
pub fn uid(object: &Value) -> &str {
    str_at(object, &["metadata", "uid"])
}

/// `metadata.resourceVersion`, empty when absent.
pub fn resource_version(object: &Value) -> &str {
    str_at(object, &["metadata", "resourceVersion"])
}

/// `metadata.generation`, 0 when absent.
pub fn generation(object: &Value) -> i64 {
    int_at(object, &["metadata", "generation"]).unwrap_or(0)
}

/// Whether `metadata.deletionTimestamp` is set.
pub fn is_deleting(object: &Value) -> bool {
    !str_at(object, &["metadata", "deletionTimestamp"]).is_empty()
}

/// The labels, if there are any.
pub fn labels(object: &Value) -> Option<&Map<String, Value>> {
    at(object, &["metadata", "labels"]).and_then(Value::as_object)
}

/// One label's value.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    labels(object)?.get(key)?.as_str()
}

/// One annotation's value.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    at(object, &["metadata", "annotations"])?.get(key)?.as_str()
}

/// The finalizers in their order.
pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    items_at(object, &["metadata", "finalizers"]).iter().filter_map(Value::as_str)
}

/// The owner reference with `controller: true`.
pub fn controller_ref(object: &Value) -> Option<&Value> {
    items_at(object, &["metadata", "ownerReferences"]).iter().find(|r| r.get("controller") == Some(&Value::Bool(true)))
}

/// Group, version and kind from `apiVersion` and `kind`.
pub fn gvk(object: &Value) -> GroupVersionKind {
    let (group, version) = split_api_version(str_at(object, &["apiVersion"]));
    GroupVersionKind::new(group, version, str_at(object, &["kind"]))
}
