//! What users see of a ReplicaSet.

use std::{sync::Arc, time::Duration};

use comity_core::{Map, Value, condition, json, object, time};
use jiff::Timestamp;

use crate::kit::pod;

/// Why pods could not be made or deleted.
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

pub(super) struct Wanted {
    pub(super) status: Value,
    /// When a ready pod will have been ready for long enough.
    pub(super) again: Option<Duration>,
}

/// `pods` are all that the set controls, finished and leaving ones included.
pub(super) fn wanted(set: &Value, pods: &[Arc<Value>], failure: Option<&Failure>, now: Timestamp) -> Wanted {
    let min_ready = object::int_at(set, &["spec", "minReadySeconds"]).unwrap_or(0);
    let template_labels = object::at(set, &["spec", "template", "metadata", "labels"]).and_then(Value::as_object);
    let (mut replicas, mut labeled, mut ready, mut available) = (0, 0, 0, 0);
    let mut again: Option<Duration> = None;
    for pod in pods.iter().filter(|p| pod::is_active(p)) {
        replicas += 1;
        labeled += i64::from(has_all(object::labels(pod), template_labels));
        ready += i64::from(pod::is_ready(pod));
        match pod::available(pod, min_ready, now) {
            Ok(()) => available += 1,
            Err(missing) => again = [again, missing].into_iter().flatten().min(),
        }
    }
    let terminating = pods.iter().filter(|p| pod::is_terminating(p)).count();
    let mut status = json!({"replicas": replicas});
    for (key, count) in [("fullyLabeledReplicas", labeled), ("readyReplicas", ready), ("availableReplicas", available)] {
        if count > 0 {
            status[key] = count.into();
        }
    }
    status["terminatingReplicas"] = terminating.into();
    if object::generation(set) > 0 {
        status["observedGeneration"] = object::generation(set).into();
    }
    let conditions = conditions(set, failure, now);
    if !conditions.is_empty() {
        status["conditions"] = Value::Array(conditions);
    }
    Wanted { status, again }
}

fn has_all(labels: Option<&Map<String, Value>>, wanted: Option<&Map<String, Value>>) -> bool {
    wanted.is_none_or(|wanted| wanted.iter().all(|(key, value)| labels.and_then(|l| l.get(key)) == Some(value)))
}

/// The first failure stays until a round without one.
fn conditions(set: &Value, failure: Option<&Failure>, now: Timestamp) -> Vec<Value> {
    let mut conditions = object::items_at(set, &["status", "conditions"]).to_vec();
    match failure {
        Some(failure) if condition::find(set, "ReplicaFailure").is_none() => {
            condition::set(&mut conditions, "ReplicaFailure", "True", failure.reason, &failure.message, &time::rfc3339(now));
        }
        Some(_) => {}
        None => conditions.retain(|c| c["type"] != "ReplicaFailure"),
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Value {
        json!({"metadata": {"name": "s", "generation": 2}, "spec": {"replicas": 3, "minReadySeconds": 10, "template": {"metadata": {"labels": {"app": "a", "v": "1"}}}}})
    }

    fn pod(ready_since: Option<&str>, leaving: bool) -> Arc<Value> {
        let mut pod = json!({"metadata": {"labels": {"app": "a", "v": "1"}}, "status": {"phase": "Running"}});
        if let Some(since) = ready_since {
            pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
        }
        if leaving {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        Arc::new(pod)
    }

    #[test]
    fn counts_are_of_active_pods_and_the_next_availability_is_awaited() {
        let now = "2026-01-01T00:00:30Z".parse().unwrap();
        let pods = [pod(None, false), pod(Some("2026-01-01T00:00:00Z"), false), pod(Some("2026-01-01T00:00:25Z"), false), pod(None, true)];
        let wanted = wanted(&set(), &pods, None, now);
        let expected = json!({"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 1, "terminatingReplicas": 1, "observedGeneration": 2});
        assert_eq!(wanted.status, expected);
        assert_eq!(wanted.again, Some(Duration::from_millis(5001)));
    }

    #[test]
    fn a_failure_is_told_once_and_taken_back_by_success() {
        let now = "2026-01-01T00:00:30Z".parse().unwrap();
        let mut set = set();
        let failure = |message: &str| Failure { reason: "FailedCreate", message: message.into() };
        set["status"] = wanted(&set, &[], Some(&failure("quota")), now).status;
        assert_eq!(condition::find(&set, "ReplicaFailure").unwrap()["message"], "quota");
        set["status"] = wanted(&set, &[], Some(&failure("other")), now).status;
        assert_eq!(condition::find(&set, "ReplicaFailure").unwrap()["message"], "quota");
        set["status"] = wanted(&set, &[], None, now).status;
        assert!(condition::find(&set, "ReplicaFailure").is_none());
    }
}
