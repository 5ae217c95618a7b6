//! A Job and its pods as a round sees them.

use std::{collections::BTreeSet, sync::Arc};

use comity_core::{Value, object, time};
use jiff::Timestamp;

use super::indexes;
use crate::kit::pod;

/// The finalizer that keeps a pod until it has been counted.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// Annotation and label with a pod's index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What a round sees.
pub(super) struct Observed {
    pub(super) job: Arc<Value>,
    /// All pods that the Job controls.
    pub(super) pods: Vec<Arc<Value>>,
    pub(super) now: Timestamp,
}

pub(super) fn is_tracked(pod: &Value) -> bool {
    object::finalizers(pod).any(|finalizer| finalizer == TRACKING)
}

/// Complete or Failed.
pub(super) fn is_finished(job: &Value) -> bool {
    has(job, "Complete") || has(job, "Failed")
}

/// Whether a condition stands and is true.
pub(super) fn has(job: &Value, kind: &str) -> bool {
    comity_core::condition::is_true(job, kind)
}

pub(super) fn is_indexed(job: &Value) -> bool {
    object::str_at(job, &["spec", "completionMode"]) == "Indexed"
}

pub(super) fn is_suspended(job: &Value) -> bool {
    object::at(job, &["spec", "suspend"]) == Some(&Value::Bool(true))
}

/// `spec.completions`; `None` when one success is enough.
pub(super) fn completions(job: &Value) -> Option<i64> {
    object::int_at(job, &["spec", "completions"])
}

pub(super) fn index_of(pod: &Value) -> Option<i64> {
    object::annotation(pod, INDEX).or_else(|| object::label(pod, INDEX))?.parse().ok()
}

/// How the pods stand.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) active: Vec<Arc<Value>>,
    pub(super) ready: i64,
    pub(super) terminating: i64,
    /// Counted, and about to be.
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    /// Uids that the status holds until their finalizers are gone.
    pub(super) uncounted_succeeded: BTreeSet<String>,
    pub(super) uncounted_failed: BTreeSet<String>,
    /// Successes and failures that are counted for good.
    pub(super) settled_succeeded: i64,
    pub(super) settled_failed: i64,
    /// Indexes that have succeeded.
    pub(super) completed: BTreeSet<i64>,
    /// Pods whose end the status takes in this round or has taken in.
    pub(super) taken_in: Vec<Arc<Value>>,
    /// When a pod failed last.
    pub(super) last_failure: Option<Timestamp>,
}

/// Whether a pod has failed: a pod that is going away without having succeeded will not.
fn has_failed(job: &Value, pod: &Value) -> bool {
    let only_failed = object::str_at(job, &["spec", "podReplacementPolicy"]) == "Failed";
    pod::phase(pod) == "Failed" || (!only_failed && object::is_deleting(pod) && pod::phase(pod) != "Succeeded")
}

pub(super) fn count(observed: &Observed) -> Counts {
    let job = &observed.job;
    let settled = |field: &str| object::int_at(job, &["status", field]).unwrap_or(0);
    let noted = |field: &str| -> BTreeSet<String> {
        let uids = object::items_at(job, &["status", "uncountedTerminatedPods", field]).iter();
        uids.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (was_succeeded, was_failed) = (noted("succeeded"), noted("failed"));
    let mut counts = Counts {
        settled_succeeded: settled("succeeded"),
        settled_failed: settled("failed"),
        completed: indexes::parse(object::str_at(job, &["status", "completedIndexes"]), completions(job).unwrap_or(0)),
        ..Counts::default()
    };
    let still_tracked: BTreeSet<&str> = observed.pods.iter().filter(|p| is_tracked(p)).map(|p| object::uid(p)).collect();
    // a finalizer that is gone was removed after the status had the uid: it counts for good now
    for uid in &was_succeeded {
        if still_tracked.contains(uid.as_str()) {
            counts.uncounted_succeeded.insert(uid.clone());
        } else {
            counts.settled_succeeded += 1;
        }
    }
    for uid in &was_failed {
        if still_tracked.contains(uid.as_str()) {
            counts.uncounted_failed.insert(uid.clone());
        } else {
            counts.settled_failed += 1;
        }
    }
    for pod in &observed.pods {
        let failed = has_failed(job, pod);
        if pod::is_active(pod) {
            counts.ready += i64::from(pod::is_ready(pod));
            counts.active.push(pod.clone());
        } else if pod::is_terminating(pod) {
            counts.terminating += 1;
        }
        if failed {
            counts.last_failure = counts.last_failure.max(ended_at(pod).or(Some(observed.now)));
        }
        if !is_tracked(pod) {
            continue;
        }
        if pod::phase(pod) == "Succeeded" {
            if is_indexed(job) {
                counts.completed.extend(index_of(pod));
            }
            counts.uncounted_succeeded.insert(object::uid(pod).to_owned());
            counts.taken_in.push(pod.clone());
        } else if failed {
            counts.uncounted_failed.insert(object::uid(pod).to_owned());
            counts.taken_in.push(pod.clone());
        }
    }
    if is_indexed(job) {
        // successes of an Indexed Job are its indexes
        counts.uncounted_succeeded.clear();
        counts.settled_succeeded = i64::try_from(counts.completed.len()).unwrap_or(i64::MAX);
    }
    counts.succeeded = counts.settled_succeeded + i64::try_from(counts.uncounted_succeeded.len()).unwrap_or(0);
    counts.failed = counts.settled_failed + i64::try_from(counts.uncounted_failed.len()).unwrap_or(0);
    counts
}

fn ended_at(pod: &Value) -> Option<Timestamp> {
    let containers = object::items_at(pod, &["status", "containerStatuses"]).iter();
    containers.filter_map(|c| time::parse(object::str_at(c, &["state", "terminated", "finishedAt"]))).max()
}
