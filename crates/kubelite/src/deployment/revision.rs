//! Revisions, and what a ReplicaSet carries of its Deployment.

use comity_core::{Map, Value, json, object};

use super::model::{Observed, Sets, replicas, surge};
use crate::kit::{
    hands::controller_reference,
    template::{self, POD_TEMPLATE_HASH},
};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that are not its sets'.
const NOT_COPIED: [&str; 6] =
    ["kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAX, "deprecated.deployment.rollback.to"];
const HISTORY_LENGTH: usize = 2000;

/// A set's revision, 0 when it has none.
pub(super) fn of(set: &Value) -> i64 {
    object::annotation(set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The revision after the highest of the old sets.
fn next(sets: &Sets) -> i64 {
    sets.old.iter().map(|set| of(set)).max().unwrap_or(0) + 1
}

/// The annotations that hold a set's share of the whole.
pub(super) fn sizes(deployment: &Value) -> [(&'static str, String); 2] {
    [(DESIRED, replicas(deployment).to_string()), (MAX, (replicas(deployment) + surge(deployment)).to_string())]
}

/// The patch of size annotations that differ.
pub(super) fn size_changes(deployment: &Value, set: &Value) -> Map<String, Value> {
    let differing = sizes(deployment).into_iter().filter(|(key, value)| object::annotation(set, key) != Some(value.as_str()));
    differing.map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// The patch that brings the new set's revision, copied annotations and minReadySeconds up to date; `None` when they are.
pub(super) fn sync(deployment: &Value, set: &Value, sets: &Sets) -> Option<Value> {
    let mut annotations = copied(deployment);
    annotations.retain(|key, value| object::annotation(set, key) != value.as_str());
    let (present, next) = (of(set), next(sets));
    if present < next {
        annotations.insert(REVISION.to_owned(), next.to_string().into());
        if present > 0 {
            annotations.insert(HISTORY.to_owned(), history(object::annotation(set, HISTORY).unwrap_or_default(), present).into());
        }
    }
    let mut patch = json!({});
    if !annotations.is_empty() {
        patch["metadata"] = json!({"annotations": annotations});
    }
    let min_ready = |o: &Value| object::int_at(o, &["spec", "minReadySeconds"]).unwrap_or(0);
    if min_ready(deployment) != min_ready(set) {
        patch["spec"] = json!({"minReadySeconds": min_ready(deployment)});
    }
    patch.as_object().is_some_and(|patch| !patch.is_empty()).then_some(patch)
}

/// The revisions that a set had before, oldest first, cut from the front when they get too long.
fn history(present: &str, add: i64) -> String {
    let mut revisions: Vec<String> = present.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect();
    revisions.push(add.to_string());
    while revisions.join(",").len() > HISTORY_LENGTH {
        revisions.remove(0);
    }
    revisions.join(",")
}

fn copied(deployment: &Value) -> Map<String, Value> {
    let annotations = object::at(deployment, &["metadata", "annotations"]).and_then(Value::as_object);
    let copied = annotations.into_iter().flatten().filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()));
    copied.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The ReplicaSet of the present template.
pub(super) fn new_set(observed: &Observed, sets: &Sets, size: i64) -> Value {
    let deployment = &observed.deployment;
    let collisions = object::int_at(deployment, &["status", "collisionCount"]).unwrap_or(0);
    let mut template = deployment["spec"]["template"].clone();
    let hash = template::hash(&template, collisions);
    object::set(&mut template, &["metadata", "labels", POD_TEMPLATE_HASH], hash.as_str().into());
    let mut selector = deployment["spec"]["selector"].clone();
    object::set(&mut selector, &["matchLabels", POD_TEMPLATE_HASH], hash.as_str().into());
    let mut annotations = copied(deployment);
    for (key, value) in sizes(deployment) {
        annotations.insert(key.to_owned(), value.into());
    }
    annotations.insert(REVISION.to_owned(), next(sets).to_string().into());
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", object::name(deployment)), "namespace": object::namespace(deployment),
            "labels": template["metadata"]["labels"], "annotations": annotations, "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {"replicas": size, "selector": selector, "template": template},
    });
    if let Some(seconds) = object::int_at(deployment, &["spec", "minReadySeconds"]).filter(|seconds| *seconds > 0) {
        set["spec"]["minReadySeconds"] = seconds.into();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_keeps_the_latest_revisions_within_its_length() {
        assert_eq!(history("", 1), "1");
        assert_eq!(history("1,3", 7), "1,3,7");
        let long = (1000..1500).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let cut = history(&long, 1500);
        assert!(cut.len() <= 2000 && cut.ends_with(",1499,1500"));
    }
}
