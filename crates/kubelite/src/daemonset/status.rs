//! What users see of a DaemonSet.

use std::collections::BTreeMap;

use comity_core::{Value, json, object};

use super::plan::{Observed, Place, min_ready};
use crate::kit::{pod, revisions::HASH};

/// Counts of nodes; of each node the oldest pod counts.
pub(super) fn wanted(observed: &Observed, places: &BTreeMap<String, Place>, hash: &str) -> Value {
    let set = &observed.set;
    let (mut current, mut misscheduled, mut desired, mut ready, mut available, mut updated) = (0, 0, 0, 0, 0, 0);
    for place in places.values() {
        let pod = place.pods.first();
        if !place.should_run {
            misscheduled += i64::from(pod.is_some());
            continue;
        }
        desired += 1;
        let Some(pod) = pod else { continue };
        current += 1;
        ready += i64::from(pod::is_ready(pod));
        available += i64::from(pod::available(pod, min_ready(set), observed.now).is_ok());
        updated += i64::from(object::label(pod, HASH) == Some(hash));
    }
    let mut status = json!({
        "currentNumberScheduled": current, "numberMisscheduled": misscheduled, "desiredNumberScheduled": desired, "numberReady": ready,
        "observedGeneration": object::generation(set),
    });
    for (key, count) in [("updatedNumberScheduled", updated), ("numberAvailable", available), ("numberUnavailable", desired - available)] {
        if count > 0 {
            status[key] = count.into();
        }
    }
    status
}
