//! One round of a Job.

use std::{sync::Arc, time::Duration};

use comity_core::{Value, json, object, time};
use jiff::SignedDuration;

use super::{
    model::{Counts, INDEX, Observed, TRACKING, completions, count, index_of, is_indexed, is_suspended},
    status,
};
use crate::kit::{hands::Told, rank, template};

/// Creations and deletions of one round at most.
const BURST: usize = 500;
/// Pauses after failures.
const FIRST_PAUSE: i64 = 10;
const LONGEST_PAUSE: i64 = 600;

/// What a round does.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) create: Vec<Value>,
    /// Pods that are no longer wanted; they do not count.
    pub(super) delete: Vec<Arc<Value>>,
    /// Pods that end with their Job; they count as failed.
    pub(super) stop: Vec<Arc<Value>>,
    pub(super) status: Value,
    pub(super) told: Vec<Told>,
    /// Pods that may lose their finalizer once the status is written.
    pub(super) untrack: Vec<Arc<Value>>,
    pub(super) again: Option<Duration>,
}

/// Why a Job fails.
struct Verdict {
    reason: &'static str,
    message: &'static str,
}

pub(super) fn plan(observed: &Observed) -> Plan {
    let job = &observed.job;
    let counts = count(observed);
    let mut conditions = object::items_at(job, &["status", "conditions"]).to_vec();
    let mut plan = Plan { untrack: counts.taken_in.clone(), ..Plan::default() };
    let started = object::at(job, &["status", "startTime"]).is_some();
    let suspended = is_suspended(job);
    let mut active = counts.active.len();
    if let Some((terminal, interim)) = status::decided(job) {
        plan.stop = counts.active.clone();
        active = 0;
        let nothing_open = counts.uncounted_succeeded.is_empty() && counts.uncounted_failed.is_empty();
        if nothing_open && counts.terminating == 0 && counts.active.is_empty() {
            finish(observed, terminal, &interim, &mut conditions, &mut plan);
        }
    } else if let Some(verdict) = verdict(observed, &counts, &mut plan) {
        status::set(&mut conditions, "FailureTarget", "True", verdict.reason, verdict.message, observed.now);
        plan.stop = counts.active.clone();
        active = 0;
    } else if is_complete(job, &counts) {
        let message = "Reached expected number of succeeded pods";
        status::set(&mut conditions, "SuccessCriteriaMet", "True", "CompletionsReached", message, observed.now);
    } else if suspended {
        plan.delete = counts.active.clone();
        active = 0;
        if status::set(&mut conditions, "Suspended", "True", "JobSuspended", "Job suspended", observed.now) {
            plan.told.push(Told::normal("Suspended", "Job suspended"));
        }
    } else {
        if status::set(&mut conditions, "Suspended", "False", "JobResumed", "Job resumed", observed.now) {
            plan.told.push(Told::normal("Resumed", "Job resumed"));
        }
        manage(observed, &counts, &mut plan);
        active = active + plan.create.len() - plan.delete.len();
    }
    let completed = plan.status["completionTime"].take();
    plan.status = status::wanted(observed, &counts, active, conditions);
    if !completed.is_null() {
        plan.status["completionTime"] = completed;
    }
    if suspended {
        object::remove(&mut plan.status, &["startTime"]);
    } else if !started {
        plan.status["startTime"] = time::rfc3339(observed.now).into();
    }
    plan
}

fn finish(observed: &Observed, terminal: &'static str, interim: &Value, conditions: &mut Vec<Value>, plan: &mut Plan) {
    let text = |key| object::str_at(interim, &[key]);
    status::set(conditions, terminal, "True", text("reason"), text("message"), observed.now);
    if terminal == "Complete" {
        plan.status = json!({"completionTime": time::rfc3339(observed.now)});
        plan.told.push(Told::normal("Completed", "Job completed"));
    } else {
        let reason = match text("reason") {
            "DeadlineExceeded" => "DeadlineExceeded",
            _ => "BackoffLimitExceeded",
        };
        plan.told.push(Told::warning(reason, text("message")));
    }
}

/// Whether the Job has failed; sets the timer of its deadline otherwise.
fn verdict(observed: &Observed, counts: &Counts, plan: &mut Plan) -> Option<Verdict> {
    let job = &observed.job;
    let limit = object::int_at(job, &["spec", "backoffLimit"]).unwrap_or(6);
    if counts.failed > limit {
        return Some(Verdict { reason: "BackoffLimitExceeded", message: "Job has reached the specified backoff limit" });
    }
    let deadline = object::int_at(job, &["spec", "activeDeadlineSeconds"]).filter(|_| !is_suspended(job))?;
    let started = time::parse(object::str_at(job, &["status", "startTime"])).unwrap_or(observed.now);
    let left = observed.now.duration_until(started + SignedDuration::from_secs(deadline));
    if left <= SignedDuration::ZERO {
        return Some(Verdict { reason: "DeadlineExceeded", message: "Job was active longer than specified deadline" });
    }
    wake(plan, left);
    None
}

fn is_complete(job: &Value, counts: &Counts) -> bool {
    match completions(job) {
        None => counts.succeeded > 0 && counts.active.is_empty(),
        Some(completions) => counts.succeeded >= completions && counts.active.is_empty(),
    }
}

/// Brings the number of active pods to the wanted one. Deleting and creating never happen in one round.
fn manage(observed: &Observed, counts: &Counts, plan: &mut Plan) {
    let job = &observed.job;
    let active = i64::try_from(counts.active.len()).unwrap_or(i64::MAX);
    let parallelism = object::int_at(job, &["spec", "parallelism"]).unwrap_or(1);
    let want = match completions(job) {
        None if counts.succeeded > 0 => active,
        None => parallelism,
        Some(completions) => parallelism.min(completions - counts.succeeded).max(0),
    };
    if active > want {
        let mut surplus = counts.active.clone();
        rank::sort(&mut surplus, &[], observed.now);
        surplus.truncate(usize::try_from(active - want).unwrap_or(0).min(BURST));
        plan.delete = surplus;
        return;
    }
    let only_failed = object::str_at(job, &["spec", "podReplacementPolicy"]) == "Failed";
    let missing = want - active - if only_failed { counts.terminating } else { 0 };
    if missing <= 0 {
        return;
    }
    if let Some(left) = pause(observed, counts) {
        wake(plan, left);
        return;
    }
    let missing = usize::try_from(missing).unwrap_or(0).min(BURST);
    plan.create = if is_indexed(job) {
        let taken: Vec<i64> = counts.active.iter().filter_map(|pod| index_of(pod)).collect();
        let free = (0..completions(job).unwrap_or(0)).filter(|index| !counts.completed.contains(index) && !taken.contains(index));
        free.take(missing).map(|index| indexed_pod(job, index)).collect()
    } else {
        vec![new_pod(job); missing]
    };
}

/// What is left of the pause after the last failure.
fn pause(observed: &Observed, counts: &Counts) -> Option<SignedDuration> {
    let last = counts.last_failure.filter(|_| counts.failed > 0)?;
    let doublings = (counts.failed - 1).clamp(0, 10);
    let seconds = (FIRST_PAUSE << doublings).min(LONGEST_PAUSE);
    Some(observed.now.duration_until(last + SignedDuration::from_secs(seconds))).filter(|left| *left > SignedDuration::ZERO)
}

fn new_pod(job: &Value) -> Value {
    let mut pod = template::new_pod(job, &job["spec"]["template"]);
    let mut finalizers: Vec<Value> = object::items_at(&pod, &["metadata", "finalizers"]).to_vec();
    finalizers.push(TRACKING.into());
    pod["metadata"]["finalizers"] = Value::Array(finalizers);
    pod
}

fn indexed_pod(job: &Value, index: i64) -> Value {
    let mut pod = new_pod(job);
    let name = object::name(job);
    // the server appends five characters to the name
    let cut: String = name.chars().take(63 - 7 - index.to_string().len()).collect();
    object::set(&mut pod, &["metadata", "generateName"], format!("{cut}-{index}-").into());
    object::set(&mut pod, &["metadata", "labels", INDEX], index.to_string().into());
    object::set(&mut pod, &["metadata", "annotations", INDEX], index.to_string().into());
    object::set(&mut pod, &["spec", "hostname"], format!("{cut}-{index}").into());
    let variable = json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": format!("metadata.labels['{INDEX}']")}}});
    for list in ["containers", "initContainers"] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let mut variables = object::items_at(container, &["env"]).to_vec();
            if !variables.iter().any(|v| v["name"] == variable["name"]) {
                variables.push(variable.clone());
            }
            container["env"] = Value::Array(variables);
        }
    }
    pod
}

fn wake(plan: &mut Plan, left: SignedDuration) {
    let left = Duration::try_from(left).unwrap_or_default().max(Duration::from_millis(1));
    plan.again = Some(plan.again.map_or(left, |present| present.min(left)));
}

#[cfg(test)]
mod tests;
