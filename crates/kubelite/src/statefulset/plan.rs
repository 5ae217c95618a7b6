//! One round of a StatefulSet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use comity_core::{Value, object};
use jiff::Timestamp;

use super::{pods, status};
use crate::kit::{
    pod,
    revisions::{self, Present},
    share,
};

/// What a round sees.
pub(super) struct Observed {
    pub(super) set: Arc<Value>,
    /// Pods that the set controls.
    pub(super) pods: Vec<Arc<Value>>,
    pub(super) revisions: Vec<Arc<Value>>,
    pub(super) now: Timestamp,
}

/// What a round does.
pub(super) struct Plan {
    pub(super) revision: Present,
    pub(super) create: Vec<Value>,
    pub(super) delete: Vec<Arc<Value>>,
    pub(super) status: Value,
    pub(super) old_revisions: Vec<Arc<Value>>,
    /// When a ready pod will have been ready for long enough.
    pub(super) again: Option<Duration>,
}

/// The set's pods by what is to become of them.
struct Slots {
    /// Wanted ordinals with their pods.
    wanted: BTreeMap<i64, Option<Arc<Value>>>,
    /// Pods that are too many, highest ordinal first.
    condemned: Vec<Arc<Value>>,
}

pub(super) fn plan(observed: &Observed) -> Plan {
    let set = &observed.set;
    let revision = revisions::present(set, &observed.revisions);
    let current = current_revision(observed, &revision);
    let slots = slots(observed);
    let mut plan = Plan { revision, create: Vec::new(), delete: Vec::new(), status: Value::Null, old_revisions: Vec::new(), again: None };
    let mut live: BTreeSet<String> = observed.pods.iter().map(|p| pods::revision(p).to_owned()).collect();
    live.extend([plan.revision.name.clone(), current.clone()]);
    plan.old_revisions = revisions::surplus(set, &observed.revisions, &live);
    for pod in slots.wanted.values().flatten() {
        if let Err(Some(missing)) = pod::available(pod, min_ready(set), observed.now) {
            plan.again = Some(plan.again.map_or(missing, |present| present.min(missing)));
        }
    }
    if !object::is_deleting(set) && replicas_moved(observed, &slots, &current, &mut plan) {
        replace_outdated(observed, &slots, &mut plan);
    }
    plan.status = status::wanted(observed, &plan.revision.name, &current);
    plan
}

fn min_ready(set: &Value) -> i64 {
    object::int_at(set, &["spec", "minReadySeconds"]).unwrap_or(0)
}

fn start(set: &Value) -> i64 {
    object::int_at(set, &["spec", "ordinals", "start"]).unwrap_or(0)
}

fn partition(set: &Value) -> i64 {
    object::int_at(set, &["spec", "updateStrategy", "rollingUpdate", "partition"]).unwrap_or(0)
}

fn is_on_delete(set: &Value) -> bool {
    object::str_at(set, &["spec", "updateStrategy", "type"]) == "OnDelete"
}

fn current_revision(observed: &Observed, update: &Present) -> String {
    let noted = object::str_at(&observed.set, &["status", "currentRevision"]);
    let known = observed.revisions.iter().any(|revision| object::name(revision) == noted);
    if known { noted.to_owned() } else { update.name.clone() }
}

fn slots(observed: &Observed) -> Slots {
    let set = &observed.set;
    let replicas = object::int_at(set, &["spec", "replicas"]).unwrap_or(1);
    let range = start(set)..start(set) + replicas;
    let mut wanted: BTreeMap<i64, Option<Arc<Value>>> = range.clone().map(|ordinal| (ordinal, None)).collect();
    let mut condemned = BTreeMap::new();
    for pod in &observed.pods {
        let Some(ordinal) = pods::ordinal(set, pod) else { continue };
        if range.contains(&ordinal) {
            wanted.insert(ordinal, Some(pod.clone()));
        } else {
            condemned.insert(ordinal, pod.clone());
        }
    }
    Slots { wanted, condemned: condemned.into_values().rev().collect() }
}

/// Creates, replaces and removes pods; whether every pod is where it should be, so that an update may go on.
fn replicas_moved(observed: &Observed, slots: &Slots, current: &str, plan: &mut Plan) -> bool {
    let set = &observed.set;
    let ordered = object::str_at(set, &["spec", "podManagementPolicy"]) != "Parallel";
    let available = |pod: &Value| pod::available(pod, min_ready(set), observed.now).is_ok() && !object::is_deleting(pod);
    let mut settled = true;
    for (ordinal, pod) in &slots.wanted {
        match pod {
            None => plan.create.push(pod_of(observed, *ordinal, current, &plan.revision.name)),
            Some(pod) if pod::is_finished(pod) => {
                if !object::is_deleting(pod) {
                    plan.delete.push(pod.clone());
                }
            }
            Some(pod) if available(pod) => continue,
            Some(_) => {}
        }
        settled = false;
        if ordered {
            return false;
        }
    }
    // one broken pod may always go, so that it does not block the way down
    let all = slots.wanted.values().flatten().chain(slots.condemned.iter().rev());
    let first_broken = all.into_iter().find(|pod| !available(pod)).map(|pod| object::uid(pod).to_owned());
    for pod in &slots.condemned {
        settled = false;
        let waits = object::is_deleting(pod) || (ordered && !available(pod) && first_broken.as_deref() != Some(object::uid(pod)));
        if !waits {
            plan.delete.push(pod.clone());
        }
        if ordered {
            return false;
        }
    }
    settled || !ordered
}

/// The pod of an empty slot: below the partition of the current revision, else of the new one.
fn pod_of(observed: &Observed, ordinal: i64, current: &str, update: &str) -> Value {
    let set = &observed.set;
    let old = (!is_on_delete(set) && ordinal < start(set) + partition(set))
        .then(|| observed.revisions.iter().find(|revision| object::name(revision) == current && current != update))
        .flatten();
    match old {
        Some(revision) => pods::new_pod(set, &revisions::template_of(revision), ordinal, current),
        None => pods::new_pod(set, &set["spec"]["template"], ordinal, update),
    }
}

/// Deletes outdated pods from the highest ordinal down, as far as enough others are available.
fn replace_outdated(observed: &Observed, slots: &Slots, plan: &mut Plan) {
    let set = &observed.set;
    if is_on_delete(set) {
        return;
    }
    let replicas = i64::try_from(slots.wanted.len()).unwrap_or(i64::MAX);
    let most = object::at(set, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]).filter(|value| !value.is_null());
    let most = most.map_or(1, |value| share::of(Some(value), replicas, share::Round::Up).max(1));
    let broken = |pod: &Value| object::is_deleting(pod) || pod::available(pod, min_ready(set), observed.now).is_err();
    let unavailable = slots.wanted.values().filter(|pod| pod.as_ref().is_none_or(|pod| broken(pod))).count();
    let mut left = most - i64::try_from(unavailable).unwrap_or(i64::MAX);
    for (_, pod) in slots.wanted.range(start(set) + partition(set)..).rev() {
        let Some(pod) = pod.as_ref().filter(|pod| pods::revision(pod) != plan.revision.name && !object::is_deleting(pod)) else { continue };
        if left <= 0 {
            return;
        }
        left -= 1;
        if !plan.delete.iter().any(|gone| object::uid(gone) == object::uid(pod)) {
            plan.delete.push(pod.clone());
        }
    }
}

#[cfg(test)]
mod tests;
