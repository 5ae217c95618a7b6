//! What users see of a Job.

use comity_core::{Value, json, object, time};
use jiff::Timestamp;

use super::{
    indexes,
    model::{Counts, Observed, has, is_indexed},
};

/// The status with its counts and the conditions given.
pub(super) fn wanted(observed: &Observed, counts: &Counts, active: usize, conditions: Vec<Value>) -> Value {
    let job = &observed.job;
    let mut status = json!({});
    if !conditions.is_empty() {
        status["conditions"] = Value::Array(conditions);
    }
    for key in ["startTime", "completionTime", "failedIndexes"] {
        if let Some(value) = object::at(job, &["status", key]) {
            status[key] = value.clone();
        }
    }
    for (key, count) in
        [("succeeded", counts.settled_succeeded), ("failed", counts.settled_failed), ("active", i64::try_from(active).unwrap_or(0))]
    {
        if count > 0 {
            status[key] = count.into();
        }
    }
    status["ready"] = counts.ready.into();
    status["terminating"] = counts.terminating.into();
    if is_indexed(job) && !counts.completed.is_empty() {
        status["completedIndexes"] = indexes::format(&counts.completed).into();
    }
    let mut uncounted = json!({});
    for (key, uids) in [("succeeded", &counts.uncounted_succeeded), ("failed", &counts.uncounted_failed)] {
        if !uids.is_empty() {
            uncounted[key] = json!(uids);
        }
    }
    status["uncountedTerminatedPods"] = uncounted;
    status
}

/// Sets a condition of a Job, which carries the time of its last probe; whether it changed.
pub(super) fn set(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> bool {
    let old = conditions.iter().position(|c| c["type"] == kind);
    let same = |c: &Value| c["status"] == status && object::str_at(c, &["reason"]) == reason;
    if old.is_some_and(|at| same(&conditions[at])) || (old.is_none() && status == "False") {
        // a condition is never added with status False
        return false;
    }
    let now = time::rfc3339(now);
    let condition =
        json!({"type": kind, "status": status, "lastProbeTime": now, "lastTransitionTime": now, "reason": reason, "message": message});
    match old {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
    true
}

/// Why the Job ends, if that is decided.
pub(super) fn decided(job: &Value) -> Option<(&'static str, Value)> {
    let of = |interim: &str| comity_core::condition::find(job, interim).cloned();
    if has(job, "SuccessCriteriaMet") {
        return of("SuccessCriteriaMet").map(|c| ("Complete", c));
    }
    has(job, "FailureTarget").then(|| of("FailureTarget")).flatten().map(|c| ("Failed", c))
}
