//! The definition of a federated kind: equal for all types but for `retainReplicas` and the columns.

use comity_core::{Value, json};

use super::{Names, any_object, definition, fields, int64, list, text, time, whole};
use crate::type_config::FederatedTypeConfig;

/// What a federated kind's definition needs to know of its target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FederatedTraits {
    /// Short names of the federated kind.
    pub short_names: Vec<String>,
    /// The target has an int32 `spec.replicas`: `spec.retainReplicas` exists and the column READY is shown.
    pub replicas: bool,
}

impl FederatedTraits {
    /// The traits of a type that ships.
    pub fn shipped(target_kind: &str) -> Self {
        let short = match target_kind {
            "ConfigMap" => "fcm",
            "Deployment" => "fdeploy",
            "Ingress" => "fing",
            "Namespace" => "fns",
            "ReplicaSet" => "frs",
            "ServiceAccount" => "fsa",
            "Service" => "fsvc",
            _ => "",
        };
        let short_names = if short.is_empty() { Vec::new() } else { vec![short.to_owned()] };
        Self { short_names, replicas: matches!(target_kind, "Deployment" | "ReplicaSet") }
    }

    /// The traits of a target that is enabled later: each short name gets an `f` in front.
    pub fn enabled(target_short_names: &[String], replicas: bool) -> Self {
        Self { short_names: target_short_names.iter().map(|name| format!("f{name}")).collect(), replicas }
    }
}

/// The definition of the federated kind that a type configuration names.
pub fn federated_crd(config: &FederatedTypeConfig, traits: &FederatedTraits) -> Value {
    let federated = &config.spec.federated_type;
    let names = Names {
        group: &federated.group,
        version: &federated.version,
        kind: &federated.kind,
        plural: &federated.plural_name,
        short: &traits.short_names,
        namespaced: federated.namespaced(),
    };
    let mut columns = Vec::new();
    if traits.replicas {
        columns.push(("ready", "string", ".status.summary.ready"));
    }
    columns.push(("clusters", "string", ".status.summary.clusters"));
    columns.push(("age", "date", ".metadata.creationTimestamp"));
    definition(&names, whole(spec(traits.replicas), Some(status())), &columns, true)
}

fn spec(replicas: bool) -> Value {
    let expression = fields(json!({"key": text(), "operator": text(), "values": list(text())}), &["key", "operator"]);
    let selector = json!({"matchExpressions": list(expression), "matchLabels": {"type": "object", "additionalProperties": text()}});
    let placement = json!({"clusters": list(fields(json!({"name": text()}), &["name"])), "clusterSelector": fields(selector, &[])});
    let operation = json!({
        "op": {"type": "string", "pattern": "^(add|remove|replace)?$"},
        "path": text(),
        "value": {"x-kubernetes-preserve-unknown-fields": true},
    });
    let overrides = json!({"clusterName": text(), "clusterOverrides": list(fields(operation, &["path"]))});
    let mut properties = json!({"overrides": list(fields(overrides, &[])), "placement": fields(placement, &[]), "template": any_object()});
    if replicas {
        properties["retainReplicas"] = json!({"type": "boolean"});
    }
    fields(properties, &[])
}

/// KubeFed's status, and what Comity adds: reasons, messages, replica counts and the two summaries of the columns.
fn status() -> Value {
    let condition = json!({
        "type": text(), "status": text(), "reason": text(), "message": text(), "lastUpdateTime": time(), "lastTransitionTime": time(),
    });
    let cluster = json!({
        "name": text(), "status": text(), "reason": text(), "message": text(),
        "replicas": int64(), "readyReplicas": int64(), "remoteStatus": any_object(),
    });
    let properties = json!({
        "observedGeneration": int64(),
        "conditions": list(fields(condition, &["type", "status"])),
        "clusters": list(fields(cluster, &["name"])),
        "summary": fields(json!({"ready": text(), "clusters": text()}), &[]),
        "replicas": int64(), "readyReplicas": int64(), "updatedReplicas": int64(), "availableReplicas": int64(),
    });
    fields(properties, &[])
}
