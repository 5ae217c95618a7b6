//! What the user sees of one federated object. Pure; equal but for times means no write.

mod conditions;
mod health;

use std::collections::BTreeMap;

use comity_api_kubefed::federated::ClusterEntry;
use comity_core::{Value, json, object};
use comity_lane::{Seen, Urgency};

use crate::{
    model::Observed,
    plan::{Plan, Verdict, urgency},
    validate::Problem,
};
use health::Counts;

/// Above so many clusters the members' own status stays where it is.
const REMOTE_STATUS_LIMIT: usize = 20;

/// The status of an object whose plan was made.
pub fn report(seen: &Observed, plan: &Plan, now: &str) -> Value {
    let mut entries = Vec::new();
    let mut counts = Counts::default();
    let (mut placed, mut in_sync) = (0_usize, 0_usize);
    let known = if plan.verdicts.values().any(Verdict::is_compared_later) { stored(seen) } else { BTreeMap::new() };
    let few = plan.verdicts.values().filter(|v| v.placed).count() <= REMOTE_STATUS_LIMIT;
    for (name, verdict) in &plan.verdicts {
        placed += usize::from(verdict.placed);
        in_sync += usize::from(verdict.in_sync);
        if !verdict.placed && verdict.fault.is_none() && verdict.pending.is_none() && verdict.job.is_none() {
            continue;
        }
        let mut entry = ClusterEntry { name: name.clone(), ..ClusterEntry::default() };
        if let Some(fault) = &verdict.fault {
            fault.status.clone_into(&mut entry.status);
            entry.reason.clone_from(&fault.reason);
            entry.message.clone_from(&fault.message);
        } else if !verdict.placed {
            "WaitingForRemoval".clone_into(&mut entry.status);
        } else if let Some(known) = known.get(name).filter(|_| verdict.is_compared_later()) {
            in_sync += usize::from(known.status.is_empty());
            (entry.status, entry.reason, entry.message) = (known.status.clone(), known.reason.clone(), known.message.clone());
        } else if verdict.pending.is_some() || verdict.unread {
            "Pending".clone_into(&mut entry.status);
            (if verdict.unread { "NotReadYet" } else { "WriteUnderWay" }).clone_into(&mut entry.reason);
        } else if let Some(first) = verdict.notes.first() {
            first.reason.clone_into(&mut entry.reason);
            entry.message = verdict.notes.iter().map(|note| note.message.as_str()).collect::<Vec<_>>().join("; ");
        }
        let remote = seen.members.get(name).and_then(|member| remote_status(&member.copy));
        if verdict.placed {
            let one = health::count(verdict.replicas, remote.as_ref(), generation(seen, name));
            entry.replicas = one.desired;
            entry.ready_replicas = one.desired.map(|_| one.ready);
            counts.add(name, &one);
            if few {
                entry.remote_status = remote;
            }
        }
        entries.push(entry);
    }
    let conditions = conditions::of(seen, plan, &entries, &counts, now);
    assemble(seen, conditions, entries, &counts, (in_sync, placed))
}

/// What the stored status says of each cluster, if the object was not edited since: it stands until it is known better.
fn stored(seen: &Observed) -> BTreeMap<String, ClusterEntry> {
    let entries = if urgency(seen) == Urgency::User { Vec::new() } else { ClusterEntry::of(&seen.object) };
    entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect()
}

/// The status of an object that cannot be planned: what was seen of its clusters stays.
pub fn invalid(seen: &Observed, problems: &[Problem], now: &str) -> Value {
    let reason = problems.first().map_or("ComputePlacementFailed", |p| p.reason);
    let message = problems.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("; ");
    let mut status = seen.object.get("status").filter(|s| s.is_object()).cloned().unwrap_or_else(|| json!({}));
    status["observedGeneration"] = object::generation(&seen.object).into();
    status["conditions"] = conditions::failed(seen, reason, &message, now);
    status
}

/// The clusters that the stored status tells of.
pub fn told(federated: &Value) -> impl Iterator<Item = &str> {
    object::items_at(federated, &["status", "clusters"]).iter().map(|entry| object::str_at(entry, &["name"]))
}

/// Whether the stored status of an object on its way out is of an earlier spec. The deletion itself is a generation too.
pub(crate) fn is_behind_an_edit(federated: &Value) -> bool {
    let observed = object::int_at(federated, &["status", "observedGeneration"]).unwrap_or(0);
    observed + 1 < object::generation(federated)
}

/// Whether a new status says something that the stored one does not.
pub fn is_news(stored: Option<&Value>, new: &Value) -> bool {
    let Some((stored, new)) = stored.and_then(Value::as_object).zip(new.as_object()) else { return stored != Some(new) };
    let same = |key: &String, before: &Value| match (key.as_str(), new.get(key)) {
        (_, None) => false,
        ("conditions", Some(now)) => without_times(before) == without_times(now),
        (_, Some(now)) => before == now,
    };
    stored.len() != new.len() || !stored.iter().all(|(key, before)| same(key, before))
}

/// A status without its times.
pub fn essence(status: &Value) -> Value {
    let mut essence = status.clone();
    if let Some(conditions) = essence.get_mut("conditions") {
        *conditions = without_times(conditions);
    }
    essence
}

fn without_times(conditions: &Value) -> Value {
    let mut conditions = conditions.clone();
    for condition in conditions.as_array_mut().into_iter().flatten() {
        for time in ["lastUpdateTime", "lastTransitionTime"] {
            object::remove(condition, &[time]);
        }
    }
    conditions
}

/// So many clusters are named in a message; the entries name them all.
const NAMED: usize = 20;

/// The first of many texts.
fn some_of(mut texts: Vec<String>) -> String {
    let more = texts.len().saturating_sub(NAMED);
    texts.truncate(NAMED);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

fn assemble(seen: &Observed, conditions: Value, entries: Vec<ClusterEntry>, counts: &Counts, clusters: (usize, usize)) -> Value {
    let mut status = json!({"observedGeneration": object::generation(&seen.object), "conditions": conditions});
    status["clusters"] = entries.iter().map(ClusterEntry::to_value).collect::<Vec<_>>().into();
    status["summary"] = json!({"clusters": format!("{}/{}", clusters.0, clusters.1)});
    if counts.any() {
        status["summary"]["ready"] = format!("{}/{}", counts.ready, counts.desired).into();
        let totals = [
            ("replicas", counts.desired),
            ("readyReplicas", counts.ready),
            ("updatedReplicas", counts.updated),
            ("availableReplicas", counts.available),
        ];
        for (key, count) in totals {
            status[key] = count.into();
        }
    }
    status
}

/// Replicas that a copy should have, and that are ready.
pub(crate) fn ready(replicas: Option<i64>, copy: &Seen, generation: i64) -> (Option<i64>, i64) {
    let one = health::count(replicas, remote_status(copy).as_ref(), generation);
    (one.desired, one.ready)
}

fn remote_status(copy: &Seen) -> Option<Value> {
    match copy {
        Seen::Present(copy) => serde_json::from_str(copy.status.as_deref()?).ok().filter(Value::is_object),
        _ => None,
    }
}

fn generation(seen: &Observed, cluster: &str) -> i64 {
    match seen.members.get(cluster).map(|m| &m.copy) {
        Some(Seen::Present(copy)) => copy.generation,
        _ => 0,
    }
}
