//! A Deployment and its ReplicaSets as a round sees them.

use std::{collections::BTreeSet, sync::Arc};

use comity_core::{Value, object};
use jiff::Timestamp;

use crate::kit::{share, template};

/// What a round sees.
#[derive(Clone)]
pub(super) struct Observed {
    pub(super) deployment: Arc<Value>,
    /// The sets that belong to it.
    pub(super) sets: Vec<Arc<Value>>,
    /// Uids of sets with pods that have not finished.
    pub(super) with_pods: BTreeSet<String>,
    /// The set that this round has just created.
    pub(super) created: Option<String>,
    pub(super) now: Timestamp,
}

/// The sets, sorted out.
pub(super) struct Sets {
    /// The one of the present template.
    pub(super) new: Option<Arc<Value>>,
    /// All others, oldest first.
    pub(super) old: Vec<Arc<Value>>,
}

impl Sets {
    pub(super) fn sort_out(observed: &Observed) -> Self {
        let mut all = observed.sets.clone();
        all.sort_by(|a, b| age(a).cmp(&age(b)));
        let wanted = &observed.deployment["spec"]["template"];
        let position = all.iter().position(|set| template::equal(&set["spec"]["template"], wanted));
        let new = position.map(|index| all.remove(index));
        Self { new, old: all }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.new.iter().chain(&self.old)
    }

    /// Sets that should have pods.
    pub(super) fn active(&self) -> Vec<&Arc<Value>> {
        self.all().filter(|set| replicas(set) > 0).collect()
    }
}

/// Oldest first; the name decides between sets of one second.
pub(super) fn age(set: &Value) -> (&str, &str) {
    (object::str_at(set, &["metadata", "creationTimestamp"]), object::name(set))
}

/// `spec.replicas`.
pub(super) fn replicas(object: &Value) -> i64 {
    object::int_at(object, &["spec", "replicas"]).unwrap_or(1)
}

/// A count in `status`.
pub(super) fn counted(object: &Value, field: &str) -> i64 {
    object::int_at(object, &["status", field]).unwrap_or(0)
}

pub(super) fn is_rolling(deployment: &Value) -> bool {
    object::str_at(deployment, &["spec", "strategy", "type"]) != "Recreate"
}

pub(super) fn is_paused(deployment: &Value) -> bool {
    object::at(deployment, &["spec", "paused"]) == Some(&Value::Bool(true))
}

/// How many pods there may be beyond the wanted ones.
pub(super) fn surge(deployment: &Value) -> i64 {
    if is_rolling(deployment) { bounds(deployment).0 } else { 0 }
}

/// How many of the wanted pods may be missing.
pub(super) fn unavailable(deployment: &Value) -> i64 {
    let replicas = replicas(deployment);
    if !is_rolling(deployment) || replicas == 0 { 0 } else { bounds(deployment).1.min(replicas) }
}

fn bounds(deployment: &Value) -> (i64, i64) {
    let of = |field| object::at(deployment, &["spec", "strategy", "rollingUpdate", field]);
    let surge = share::of(of("maxSurge"), replicas(deployment), share::Round::Up);
    let unavailable = share::of(of("maxUnavailable"), replicas(deployment), share::Round::Down);
    // both zero would never move
    (surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable })
}

/// A limit that is set and is not the largest number, which stands for none.
pub(super) fn limit(deployment: &Value, field: &str) -> Option<i64> {
    object::int_at(deployment, &["spec", field]).filter(|limit| *limit != i64::from(i32::MAX))
}
