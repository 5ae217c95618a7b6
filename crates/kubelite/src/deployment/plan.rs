//! One round of a Deployment: at most one step of the rollout.

use std::{sync::Arc, time::Duration};

use comity_core::{Map, Value, json, object};

use super::{
    conditions, history,
    model::{Observed, Sets, is_paused, is_rolling, limit, replicas},
    proportion,
    revision::{self, DESIRED, REVISION},
    rolling, status,
};
use crate::kit::hands::Told;

/// What a round does.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// A new ReplicaSet; when it stands, the plan is made anew with it.
    pub(super) create: Option<Value>,
    pub(super) changes: Vec<SetChange>,
    pub(super) delete: Vec<Arc<Value>>,
    pub(super) told: Vec<Told>,
    /// The Deployment's revision annotation, when it must change.
    pub(super) revision: Option<String>,
    pub(super) status: Value,
    pub(super) again: Option<Duration>,
}

/// A change of one ReplicaSet.
#[derive(Debug)]
pub(super) struct SetChange {
    pub(super) set: Arc<Value>,
    pub(super) patch: Value,
    pub(super) told: Option<Told>,
}

pub(super) fn plan(observed: &Observed) -> Plan {
    let deployment = &observed.deployment;
    let sets = Sets::sort_out(observed);
    let paused = is_paused(deployment);
    if object::at(deployment, &["spec", "selector"]).is_none_or(|selector| *selector == json!({})) {
        return selects_all(observed);
    }
    if object::is_deleting(deployment) {
        let present = object::items_at(deployment, &["status", "conditions"]).to_vec();
        return Plan { status: status::counts(observed, &sets, present), ..Plan::default() };
    }
    let mut plan = Plan::default();
    let mut list = status::base_conditions(observed, paused);
    bring_new_up_to_date(observed, &sets, &mut plan, &mut list);
    if paused || is_scaling_event(deployment, &sets) {
        let resized = proportion::scale(deployment, &sets).into_iter().map(|(set, size)| resize(deployment, set, size));
        plan.changes.extend(resized.flatten());
        if paused && plan.changes.is_empty() {
            plan.delete = history::surplus(deployment, &sets);
        }
        plan.status = status::counts(observed, &sets, list);
        return plan;
    }
    if is_rolling(deployment) {
        roll(observed, &sets, &mut plan)
    } else {
        recreate(observed, &sets, &mut plan)
    }
    if plan.create.is_none() && plan.changes.is_empty() && status::is_complete(deployment, &deployment["status"]) {
        plan.delete = history::surplus(deployment, &sets);
    }
    (plan.status, plan.again) = status::rollout(observed, &sets, list);
    plan
}

/// The round after the new set's name turned out to be another's: a new name next time.
pub(super) fn after_collision(observed: &Observed) -> Plan {
    let mut status = observed.deployment.get("status").cloned().unwrap_or_else(|| json!({}));
    let collisions = object::int_at(&status, &["collisionCount"]).unwrap_or(0);
    status["collisionCount"] = (collisions + 1).into();
    Plan { status, ..Plan::default() }
}

/// The round after the new set could not be created.
pub(super) fn after_failed_create(observed: &Observed, name: &str, why: &str) -> Plan {
    let message = format!("Failed to create new replica set {name:?}: {why}");
    let mut status = observed.deployment.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut list = object::items_at(&observed.deployment, &["status", "conditions"]).to_vec();
    if limit(&observed.deployment, "progressDeadlineSeconds").is_some() {
        conditions::set(&mut list, "Progressing", "False", "ReplicaSetCreateError", &message, observed.now);
        status["conditions"] = Value::Array(list);
    }
    Plan { status, told: vec![Told::warning("ReplicaSetCreateError", message)], ..Plan::default() }
}

fn selects_all(observed: &Observed) -> Plan {
    let mut plan = Plan { status: observed.deployment.get("status").cloned().unwrap_or_else(|| json!({})), ..Plan::default() };
    plan.status["observedGeneration"] = object::generation(&observed.deployment).into();
    plan.told.push(Told::warning("SelectingAll", "This deployment is selecting all pods. A non-empty selector is required."));
    plan
}

/// Revision, copied annotations and the condition that tells where the new set came from.
fn bring_new_up_to_date(observed: &Observed, sets: &Sets, plan: &mut Plan, list: &mut Vec<Value>) {
    let deployment = &observed.deployment;
    let Some(new) = &sets.new else { return };
    let name = object::name(new);
    let mut revision = object::annotation(new, REVISION).unwrap_or_default().to_owned();
    if let Some(patch) = revision::sync(deployment, new, sets) {
        if let Some(next) = patch.pointer("/metadata/annotations").and_then(|a| a.get(REVISION)).and_then(Value::as_str) {
            revision = next.to_owned();
        }
        plan.changes.push(SetChange { set: new.clone(), patch, told: None });
    }
    if !revision.is_empty() && object::annotation(deployment, REVISION) != Some(&revision) {
        plan.revision = Some(revision);
    }
    let has_deadline = limit(deployment, "progressDeadlineSeconds").is_some();
    if observed.created.as_deref() == Some(name) {
        if replicas(new) > 0 {
            plan.told.push(scaled(new, 0, replicas(new)));
        }
        if has_deadline {
            let message = format!("Created new replica set {name:?}");
            conditions::set(list, "Progressing", "True", "NewReplicaSetCreated", &message, observed.now);
        }
    } else if has_deadline && conditions::find(list, "Progressing").is_none() {
        conditions::set(list, "Progressing", "True", "FoundNewReplicaSet", &format!("Found new replica set {name:?}"), observed.now);
    }
}

/// Whether the Deployment's size was changed since its sets were last sized.
fn is_scaling_event(deployment: &Value, sets: &Sets) -> bool {
    let desired = |set: &Value| object::annotation(set, DESIRED).and_then(|text| text.parse::<i64>().ok());
    sets.active().into_iter().filter_map(|set| desired(set)).any(|desired| desired != replicas(deployment))
}

fn roll(observed: &Observed, sets: &Sets, plan: &mut Plan) {
    let deployment = &observed.deployment;
    let Some(new) = &sets.new else {
        plan.create = Some(revision::new_set(observed, sets, rolling::new_size(deployment, sets, 0)));
        return;
    };
    let size = rolling::new_size(deployment, sets, replicas(new));
    if size != replicas(new) {
        plan.changes.extend(resize(deployment, new.clone(), size));
        return;
    }
    let shrunk = rolling::shrink_old(deployment, sets).into_iter().filter_map(|(set, size)| resize(deployment, set, size));
    plan.changes.extend(shrunk);
}

fn recreate(observed: &Observed, sets: &Sets, plan: &mut Plan) {
    let deployment = &observed.deployment;
    let old: Vec<_> = sets.old.iter().filter(|set| replicas(set) > 0).collect();
    if !old.is_empty() {
        plan.changes.extend(old.into_iter().filter_map(|set| resize(deployment, set.clone(), 0)));
    } else if sets.old.iter().any(|set| observed.with_pods.contains(object::uid(set))) {
        // the last old pod must be gone
    } else if let Some(new) = &sets.new {
        plan.changes.extend(resize(deployment, new.clone(), replicas(deployment)));
    } else {
        plan.create = Some(revision::new_set(observed, sets, replicas(deployment)));
    }
}

/// A set's next size with its annotations; `None` when both stand.
fn resize(deployment: &Value, set: Arc<Value>, size: i64) -> Option<SetChange> {
    let annotations: Map<String, Value> = revision::size_changes(deployment, &set);
    let before = replicas(&set);
    let mut patch = json!({});
    if !annotations.is_empty() {
        patch["metadata"] = json!({"annotations": annotations});
    }
    let mut told = None;
    if before != size {
        patch["spec"] = json!({"replicas": size});
        told = Some(scaled(&set, before, size));
    }
    patch.as_object().is_some_and(|patch| !patch.is_empty()).then_some(SetChange { set, patch, told })
}

fn scaled(set: &Value, from: i64, to: i64) -> Told {
    let direction = if to > from { "up" } else { "down" };
    Told::normal("ScalingReplicaSet", format!("Scaled {direction} replica set {} from {from} to {to}", object::name(set)))
}

#[cfg(test)]
mod tests;
