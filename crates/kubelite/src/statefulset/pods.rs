//! The pods and claims of a StatefulSet.

use comity_core::{Value, json, object};

use crate::kit::{revisions::HASH, template};

/// The ordinal behind a pod's name.
pub(super) fn ordinal(set: &Value, pod: &Value) -> Option<i64> {
    object::name(pod).strip_prefix(object::name(set))?.strip_prefix('-')?.parse().ok()
}

/// The revision that a pod was made of.
pub(super) fn revision(pod: &Value) -> &str {
    object::label(pod, HASH).unwrap_or_default()
}

/// The pod of an ordinal.
pub(super) fn new_pod(set: &Value, template: &Value, ordinal: i64, revision: &str) -> Value {
    let name = format!("{}-{ordinal}", object::name(set));
    let mut pod = template::new_pod(set, template);
    object::remove(&mut pod, &["metadata", "generateName"]);
    let labels = [
        ("statefulset.kubernetes.io/pod-name", name.clone()),
        ("apps.kubernetes.io/pod-index", ordinal.to_string()),
        (HASH, revision.to_owned()),
    ];
    for (key, value) in labels {
        object::set(&mut pod, &["metadata", "labels", key], value.into());
    }
    object::set(&mut pod, &["metadata", "name"], name.as_str().into());
    pod["spec"]["hostname"] = name.as_str().into();
    pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
    let mut volumes = object::items_at(&pod, &["spec", "volumes"]).to_vec();
    for claim in object::items_at(set, &["spec", "volumeClaimTemplates"]) {
        let volume = object::name(claim);
        volumes.retain(|v| v["name"] != volume);
        volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": format!("{volume}-{name}")}}));
    }
    if !volumes.is_empty() {
        pod["spec"]["volumes"] = Value::Array(volumes);
    }
    pod
}

/// The claims of a pod.
pub(super) fn claims(set: &Value, pod: &Value) -> Vec<Value> {
    let templates = object::items_at(set, &["spec", "volumeClaimTemplates"]).iter();
    templates
        .map(|template| {
            let mut claim =
                json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": template["metadata"], "spec": template["spec"]});
            object::set(&mut claim, &["metadata", "name"], format!("{}-{}", object::name(template), object::name(pod)).into());
            object::set(&mut claim, &["metadata", "namespace"], object::namespace(set).into());
            for (key, value) in object::at(set, &["spec", "selector", "matchLabels"]).and_then(Value::as_object).into_iter().flatten() {
                object::set(&mut claim, &["metadata", "labels", key], value.clone());
            }
            claim
        })
        .collect()
}
