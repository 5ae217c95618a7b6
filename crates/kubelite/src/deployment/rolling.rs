//! RollingUpdate: which set grows or shrinks next.

use std::{collections::HashMap, sync::Arc};

use comity_core::{Value, object};

use super::model::{Sets, counted, replicas, surge, unavailable};

/// A set and its next size.
pub(super) type Resize = (Arc<Value>, i64);

/// The size that the new set should have now, given that it has `present`.
pub(super) fn new_size(deployment: &Value, sets: &Sets, present: i64) -> i64 {
    let wanted = replicas(deployment);
    if present >= wanted {
        return wanted;
    }
    let total: i64 = sets.all().map(|set| replicas(set)).sum();
    let room = wanted + surge(deployment) - total;
    present + room.min(wanted - present).max(0)
}

/// Old sets to shrink, unhealthy pods first; empty when nothing may go.
pub(super) fn shrink_old(deployment: &Value, sets: &Sets) -> Vec<Resize> {
    let mut sizes: HashMap<&str, i64> = sets.old.iter().map(|set| (object::uid(set), replicas(set))).collect();
    if sizes.values().sum::<i64>() == 0 {
        return Vec::new();
    }
    let min_available = replicas(deployment) - unavailable(deployment);
    let new_unavailable = sets.new.as_ref().map_or(0, |set| replicas(set) - counted(set, "availableReplicas"));
    let total: i64 = sets.all().map(|set| replicas(set)).sum();
    let mut budget = total - min_available - new_unavailable;
    if budget <= 0 {
        return Vec::new();
    }
    for set in &sets.old {
        let unhealthy = (replicas(set) - counted(set, "availableReplicas")).clamp(0, budget);
        sizes.entry(object::uid(set)).and_modify(|size| *size -= unhealthy);
        budget -= unhealthy;
    }
    let available: i64 = sets.all().map(|set| counted(set, "availableReplicas")).sum();
    let mut surplus = (available - min_available).max(0);
    for set in &sets.old {
        let size = sizes.entry(object::uid(set)).or_default();
        let less = surplus.min(*size);
        *size -= less;
        surplus -= less;
    }
    let resized = sets.old.iter().filter(|set| sizes[object::uid(set)] != replicas(set));
    resized.map(|set| (set.clone(), sizes[object::uid(set)])).collect()
}
