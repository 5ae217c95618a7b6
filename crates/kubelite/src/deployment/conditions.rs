//! Conditions of a Deployment: they carry a time of the last update besides that of the last transition.

use comity_core::{Value, json, time};
use jiff::Timestamp;

pub(super) fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions.iter().find(|c| c["type"] == kind)
}

pub(super) fn reason<'a>(conditions: &'a [Value], kind: &str) -> &'a str {
    find(conditions, kind).and_then(|c| c["reason"].as_str()).unwrap_or_default()
}

/// Sets a condition: the same status and reason change nothing; the same status keeps its time of transition.
pub(super) fn set(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
    if find(conditions, kind).is_some_and(|old| old["status"] == status && old["reason"] == reason) {
        return;
    }
    renew(conditions, kind, status, reason, message, now);
}

/// Sets a condition and its time of update even when nothing else differs.
pub(super) fn renew(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
    let now = time::rfc3339(now);
    let old = find(conditions, kind).filter(|old| old["status"] == status);
    let since = old.map_or_else(|| now.clone().into(), |old| old["lastTransitionTime"].clone());
    let condition = json!({
        "type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": since, "reason": reason, "message": message,
    });
    remove(conditions, kind);
    conditions.push(condition);
}

pub(super) fn remove(conditions: &mut Vec<Value>, kind: &str) {
    conditions.retain(|c| c["type"] != kind);
}
