//! Which old ReplicaSets are no longer kept.

use std::sync::Arc;

use comity_core::{Value, object};

use super::{
    model::{Sets, counted, limit, replicas},
    revision,
};

/// The old sets of the lowest revisions beyond the limit, as far as they are empty.
pub(super) fn surplus(deployment: &Value, sets: &Sets) -> Vec<Arc<Value>> {
    let Some(limit) = limit(deployment, "revisionHistoryLimit").and_then(|limit| usize::try_from(limit).ok()) else { return Vec::new() };
    let mut old: Vec<_> = sets.old.iter().filter(|set| !object::is_deleting(set)).cloned().collect();
    old.sort_by_key(|set| revision::of(set));
    old.truncate(old.len().saturating_sub(limit));
    old.retain(|set| replicas(set) == 0 && counted(set, "replicas") == 0 && object::generation(set) <= counted(set, "observedGeneration"));
    old
}
