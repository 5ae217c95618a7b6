//! What users see of a StatefulSet.

use comity_core::{Value, json, object};

use super::{plan::Observed, pods};
use crate::kit::pod;

/// The counts and revisions; no conditions are written.
pub(super) fn wanted(observed: &Observed, update: &str, current: &str) -> Value {
    let set = &observed.set;
    let min_ready = object::int_at(set, &["spec", "minReadySeconds"]).unwrap_or(0);
    let count = |holds: &dyn Fn(&Value) -> bool| i64::try_from(observed.pods.iter().filter(|p| holds(p)).count()).unwrap_or(0);
    let at = |p: &Value, revision: &str| !object::is_deleting(p) && pods::revision(p) == revision;
    let replicas = count(&|_| true);
    let ready = count(&|p| pod::phase(p) == "Running" && pod::is_ready(p));
    let updated = count(&|p| at(p, update));
    let mut current_replicas = count(&|p| at(p, current));
    let mut current = current;
    let spec = object::int_at(set, &["spec", "replicas"]).unwrap_or(1);
    let rolls = object::str_at(set, &["spec", "updateStrategy", "type"]) != "OnDelete";
    if rolls && updated == spec && ready == spec && replicas == spec {
        (current, current_replicas) = (update, updated);
    }
    let mut status = json!({
        "observedGeneration": object::generation(set), "replicas": replicas,
        "availableReplicas": count(&|p| pod::available(p, min_ready, observed.now).is_ok()),
        "currentRevision": current, "updateRevision": update,
        "collisionCount": object::int_at(set, &["status", "collisionCount"]).unwrap_or(0),
    });
    for (key, number) in [("readyReplicas", ready), ("currentReplicas", current_replicas), ("updatedReplicas", updated)] {
        if number > 0 {
            status[key] = number.into();
        }
    }
    status
}
