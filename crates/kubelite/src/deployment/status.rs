//! What users see of a Deployment.

use std::time::Duration;

use comity_core::{Value, condition, json, object, time};
use jiff::{SignedDuration, Timestamp};

use super::{
    conditions,
    model::{Observed, Sets, counted, limit, replicas, unavailable},
};

const PROGRESSING: &str = "Progressing";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const COMPLETE: &str = "NewReplicaSetAvailable";

/// The conditions before this round looks at progress: those that stand, with a pause or its end noted.
pub(super) fn base_conditions(observed: &Observed, paused: bool) -> Vec<Value> {
    let mut list = object::items_at(&observed.deployment, &["status", "conditions"]).to_vec();
    let reason = conditions::reason(&list, PROGRESSING).to_owned();
    if limit(&observed.deployment, "progressDeadlineSeconds").is_none() || reason == TIMED_OUT {
        return list;
    }
    if paused && reason != "DeploymentPaused" {
        conditions::set(&mut list, PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused", observed.now);
    } else if !paused && reason == "DeploymentPaused" {
        conditions::set(&mut list, PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", observed.now);
    }
    list
}

/// The counts and the Available condition, for rounds that do not look at progress.
pub(super) fn counts(observed: &Observed, sets: &Sets, mut list: Vec<Value>) -> Value {
    let deployment = &observed.deployment;
    let sum = |field| sets.all().map(|set| counted(set, field)).sum::<i64>();
    let available = sum("availableReplicas");
    let wanted: i64 = sets.all().map(|set| replicas(set)).sum();
    let mut status = json!({});
    let mut put = |key: &str, count: i64| {
        if count != 0 {
            status[key] = count.into();
        }
    };
    put("observedGeneration", object::generation(deployment));
    put("replicas", sum("replicas"));
    put("updatedReplicas", sets.new.as_ref().map_or(0, |set| counted(set, "replicas")));
    put("readyReplicas", sum("readyReplicas"));
    put("availableReplicas", available);
    put("unavailableReplicas", (wanted - available).max(0));
    let terminating: Option<i64> = sets.all().map(|set| object::int_at(set, &["status", "terminatingReplicas"])).sum();
    if let Some(terminating) = terminating {
        status["terminatingReplicas"] = terminating.into();
    }
    if available >= replicas(deployment) - unavailable(deployment) {
        conditions::set(&mut list, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", observed.now);
    } else {
        let message = "Deployment does not have minimum availability.";
        conditions::set(&mut list, "Available", "False", "MinimumReplicasUnavailable", message, observed.now);
    }
    status["conditions"] = Value::Array(list);
    if let Some(count) = object::at(deployment, &["status", "collisionCount"]) {
        status["collisionCount"] = count.clone();
    }
    status
}

/// The whole status of a rollout, and when its deadline must be looked at.
pub(super) fn rollout(observed: &Observed, sets: &Sets, list: Vec<Value>) -> (Value, Option<Duration>) {
    let deployment = &observed.deployment;
    let mut status = counts(observed, sets, list);
    let mut list = take_conditions(&mut status);
    let deadline = limit(deployment, "progressDeadlineSeconds");
    let whole = |field| object::int_at(&status, &[field]).unwrap_or(0);
    match deadline {
        None => conditions::remove(&mut list, PROGRESSING),
        // once complete, progress is not estimated again
        Some(_) if whole("replicas") == whole("updatedReplicas") && conditions::reason(&list, PROGRESSING) == COMPLETE => {}
        Some(deadline) => estimate(observed, sets, &status, &mut list, deadline),
    }
    conditions::remove(&mut list, "ReplicaFailure");
    if let Some(failure) = sets.all().find_map(|set| condition::find(set, "ReplicaFailure")) {
        // as the set has it, but in the form of this kind
        let text = |key| object::str_at(failure, &[key]);
        let old = condition::find(deployment, "ReplicaFailure");
        let mut carried: Vec<Value> = old.into_iter().cloned().collect();
        conditions::set(&mut carried, "ReplicaFailure", text("status"), text("reason"), text("message"), observed.now);
        list.append(&mut carried);
    }
    let again = deadline.and_then(|deadline| until_deadline(&list, deadline, observed.now));
    status["conditions"] = Value::Array(list);
    (status, again)
}

fn take_conditions(status: &mut Value) -> Vec<Value> {
    match status["conditions"].take() {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

fn estimate(observed: &Observed, sets: &Sets, status: &Value, list: &mut Vec<Value>, deadline: i64) {
    let what = match &sets.new {
        Some(set) => format!("ReplicaSet {:?}", object::name(set)),
        None => format!("Deployment {:?}", object::name(&observed.deployment)),
    };
    if is_complete(&observed.deployment, status) {
        conditions::set(list, PROGRESSING, "True", COMPLETE, &format!("{what} has successfully progressed."), observed.now);
    } else if has_progressed(&observed.deployment, status) {
        // each progress renews the time that the deadline counts from
        conditions::renew(list, PROGRESSING, "True", "ReplicaSetUpdated", &format!("{what} is progressing."), observed.now);
    } else if is_late(list, deadline, observed.now) {
        conditions::set(list, PROGRESSING, "False", TIMED_OUT, &format!("{what} has timed out progressing."), observed.now);
    }
}

/// Whether a status says that the rollout is done.
pub(super) fn is_complete(deployment: &Value, status: &Value) -> bool {
    let wanted = replicas(deployment);
    let all = ["updatedReplicas", "replicas", "availableReplicas"];
    all.iter().all(|field| object::int_at(status, &[field]).unwrap_or(0) == wanted)
        && object::int_at(status, &["observedGeneration"]).unwrap_or(0) >= object::generation(deployment)
}

fn has_progressed(deployment: &Value, status: &Value) -> bool {
    let now = |field: &str| object::int_at(status, &[field]).unwrap_or(0);
    let before = |field: &str| counted(deployment, field);
    now("updatedReplicas") > before("updatedReplicas")
        || now("replicas") - now("updatedReplicas") < before("replicas") - before("updatedReplicas")
        || now("readyReplicas") > before("readyReplicas")
        || now("availableReplicas") > before("availableReplicas")
}

fn is_late(list: &[Value], deadline: i64, now: Timestamp) -> bool {
    match conditions::reason(list, PROGRESSING) {
        "" | COMPLETE => false,
        TIMED_OUT => true,
        _ => updated_at(list).is_some_and(|at| at + SignedDuration::from_secs(deadline) < now),
    }
}

fn until_deadline(list: &[Value], deadline: i64, now: Timestamp) -> Option<Duration> {
    if matches!(conditions::reason(list, PROGRESSING), "" | COMPLETE | TIMED_OUT | "DeploymentPaused") {
        return None;
    }
    let at = updated_at(list)? + SignedDuration::from_secs(deadline.saturating_add(1));
    Some(now.duration_until(at).try_into().unwrap_or(Duration::from_secs(1)))
}

fn updated_at(list: &[Value]) -> Option<Timestamp> {
    time::parse(conditions::find(list, PROGRESSING)?["lastUpdateTime"].as_str()?)
}
