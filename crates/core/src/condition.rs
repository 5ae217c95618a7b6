//! Lists of conditions in status fields.

use serde_json::{Map, Value};

/// Sets one condition in a list: same status keeps `lastTransitionTime`; nothing new changes nothing.
///
/// Returns whether the list changed. `now` is written in the API's form.
pub fn set(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str, now: &str) -> bool {
    let old = conditions.iter_mut().find(|c| c["type"] == kind);
    let mut since = now.to_owned();
    if let Some(old) = &old {
        if old["status"] == status && text(old, "reason") == reason && text(old, "message") == message {
            return false;
        }
        if old["status"] == status {
            since = text(old, "lastTransitionTime").to_owned();
        }
    }
    let mut condition = Map::new();
    condition.insert("type".to_owned(), kind.into());
    condition.insert("status".to_owned(), status.into());
    condition.insert("lastTransitionTime".to_owned(), since.into());
    if !reason.is_empty() {
        condition.insert("reason".to_owned(), reason.into());
    }
    if !message.is_empty() {
        condition.insert("message".to_owned(), message.into());
    }
    match old {
        Some(old) => *old = Value::Object(condition),
        None => conditions.push(Value::Object(condition)),
    }
    true
}

/// The condition of a type in an object's `status.conditions`.
pub fn find<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    crate::object::items_at(object, &["status", "conditions"]).iter().find(|c| c["type"] == kind)
}

/// Whether a condition stands and is `True`.
pub fn is_true(object: &Value, kind: &str) -> bool {
    find(object, kind).is_some_and(|c| c["status"] == "True")
}

fn text<'a>(condition: &'a Value, key: &str) -> &'a str {
    condition[key].as_str().unwrap_or("")
}
