//! What Kubernetes means by an active, ready and available pod.

use std::time::Duration;

use comity_core::{Value, condition, object, time};
use jiff::{SignedDuration, Timestamp};

pub(crate) fn phase(pod: &Value) -> &str {
    object::str_at(pod, &["status", "phase"])
}

/// Succeeded or Failed.
pub(crate) fn is_finished(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Neither finished nor going away.
pub(crate) fn is_active(pod: &Value) -> bool {
    !is_finished(pod) && !object::is_deleting(pod)
}

/// Going away but not finished.
pub(crate) fn is_terminating(pod: &Value) -> bool {
    !is_finished(pod) && object::is_deleting(pod)
}

pub(crate) fn is_ready(pod: &Value) -> bool {
    condition::is_true(pod, "Ready")
}

/// Since when the pod is ready.
pub(crate) fn ready_since(pod: &Value) -> Option<Timestamp> {
    let ready = condition::find(pod, "Ready").filter(|c| c["status"] == "True")?;
    time::parse(object::str_at(ready, &["lastTransitionTime"]))
}

/// Ready for long enough; `Err` tells how much time is missing, if only time is missing.
pub(crate) fn available(pod: &Value, min_ready_seconds: i64, now: Timestamp) -> Result<(), Option<Duration>> {
    if !is_ready(pod) {
        return Err(None);
    }
    if min_ready_seconds <= 0 {
        return Ok(());
    }
    let Some(since) = ready_since(pod) else { return Err(None) };
    let missing = now.duration_until(since + SignedDuration::from_secs(min_ready_seconds));
    // "longer than", so the exact second is not enough
    if missing.is_negative() { Ok(()) } else { Err(Some(missing.unsigned_abs() + Duration::from_millis(1))) }
}

/// Restarts of all containers.
pub(crate) fn restarts(pod: &Value) -> i64 {
    object::items_at(pod, &["status", "containerStatuses"]).iter().filter_map(|c| object::int_at(c, &["restartCount"])).sum()
}

/// When the object was created.
pub(crate) fn created(object: &Value) -> Option<Timestamp> {
    time::parse(object::str_at(object, &["metadata", "creationTimestamp"]))
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn availability_needs_more_than_the_minimum_of_ready_seconds() {
        let pod = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        let at = |seconds: i64| "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds);
        assert_eq!(available(&pod, 0, at(0)), Ok(()));
        assert_eq!(available(&pod, 10, at(4)), Err(Some(Duration::from_millis(6001))));
        assert_eq!(available(&pod, 10, at(10)), Err(Some(Duration::from_millis(1))));
        assert_eq!(available(&pod, 10, at(11)), Ok(()));
        assert_eq!(available(&json!({}), 0, at(0)), Err(None));
    }
}
