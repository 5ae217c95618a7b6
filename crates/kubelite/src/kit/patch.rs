//! Merge patches that turn one value into another.

use comity_core::{Map, Value, json};

/// The merge patch of `status` from the present to the wanted one; `None` when they are equal.
///
/// Fields that are no longer wanted are removed; lists are written whole.
pub(crate) fn status(present: &Value, wanted: &Value) -> Option<Value> {
    let empty = json!({});
    let present = present.get("status").unwrap_or(&empty);
    difference(present, wanted).map(|status| json!({"status": status}))
}

/// The merge patch from one value to another; `None` when they are equal.
pub(crate) fn difference(present: &Value, wanted: &Value) -> Option<Value> {
    if present == wanted {
        return None;
    }
    let (Some(old), Some(new)) = (present.as_object(), wanted.as_object()) else { return Some(wanted.clone()) };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            Some(before) => {
                if let Some(change) = difference(before, value) {
                    patch.insert(key.clone(), change);
                }
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_has_only_what_differs_and_removes_what_is_gone() {
        let present = json!({"status": {"a": 1, "b": {"x": 1, "y": 2}, "c": [1], "gone": 1}});
        let wanted = json!({"a": 1, "b": {"y": 3, "x": 1}, "c": [1, 2], "new": 5});
        assert_eq!(status(&present, &wanted), Some(json!({"status": {"b": {"y": 3}, "c": [1, 2], "new": 5, "gone": null}})));
        assert_eq!(status(&present, &json!({"gone": 1, "c": [1], "b": {"y": 2, "x": 1}, "a": 1})), None);
        assert_eq!(status(&json!({}), &json!({})), None);
    }
}
