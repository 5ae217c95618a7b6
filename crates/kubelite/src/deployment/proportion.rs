//! Scaling while a rollout stands: every set grows or shrinks in proportion.

use std::sync::Arc;

use comity_core::{Value, object};

use super::{
    model::{Sets, age, counted, is_rolling, replicas, surge},
    revision::{DESIRED, MAX},
    rolling::Resize,
};

/// The sizes of the sets for the Deployment's present size. Sets that keep theirs are named too where their annotations must follow.
pub(super) fn scale(deployment: &Value, sets: &Sets) -> Vec<Resize> {
    let wanted = replicas(deployment);
    let active = sets.active();
    if active.len() <= 1 {
        let latest = active.first().copied().or(sets.new.as_ref()).or(sets.old.last());
        return latest.map(|set| (set.clone(), wanted)).into_iter().collect();
    }
    if sets.new.as_ref().is_some_and(|new| is_saturated(new, wanted)) {
        return sets.old.iter().filter(|set| replicas(set) > 0).map(|set| (set.clone(), 0)).collect();
    }
    if is_rolling(deployment) { in_proportion(deployment, active, wanted) } else { Vec::new() }
}

fn is_saturated(new: &Value, wanted: i64) -> bool {
    let desired = object::annotation(new, DESIRED).and_then(|text| text.parse().ok());
    desired == Some(wanted) && replicas(new) == wanted && counted(new, "availableReplicas") == wanted
}

fn in_proportion(deployment: &Value, mut active: Vec<&Arc<Value>>, wanted: i64) -> Vec<Resize> {
    let allowed = if wanted > 0 { wanted + surge(deployment) } else { 0 };
    let add = allowed - active.iter().map(|set| replicas(set)).sum::<i64>();
    // larger ones first; of the same size newer ones grow first and older ones shrink first
    active.sort_by(|a, b| {
        let by_age = if add > 0 { age(b).cmp(&age(a)) } else { age(a).cmp(&age(b)) };
        replicas(b).cmp(&replicas(a)).then(by_age)
    });
    let mut added = 0;
    let mut sizes: Vec<Resize> = active
        .into_iter()
        .map(|set| {
            let part = part(deployment, set, wanted, add - added);
            added += part;
            (set.clone(), replicas(set) + part)
        })
        .collect();
    if let Some((_, size)) = sizes.first_mut() {
        *size = (*size + add - added).max(0);
    }
    sizes
}

/// A set's part of what is left to add or remove.
fn part(deployment: &Value, set: &Value, wanted: i64, left: i64) -> i64 {
    if replicas(set) == 0 || left == 0 {
        return 0;
    }
    let part = if wanted == 0 {
        -replicas(set)
    } else {
        let before = object::annotation(set, MAX).and_then(|text| text.parse().ok()).unwrap_or_else(|| counted(deployment, "replicas"));
        if before <= 0 {
            return 0;
        }
        round_half_away(replicas(set) * (wanted + surge(deployment)), before) - replicas(set)
    };
    if left > 0 { part.min(left) } else { part.max(left) }
}

/// A quotient of numbers that are not negative.
fn round_half_away(numerator: i64, denominator: i64) -> i64 {
    (2 * numerator + denominator) / (2 * denominator)
}
