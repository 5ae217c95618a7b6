//! The objects that are federated.

use comity_core::{GroupVersionResource, Value, json};

use crate::NAMESPACE;

/// Where an object goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To {
    /// To no member.
    None,
    /// To every member.
    All,
    /// To the three members of a group.
    Group(usize),
}

impl To {
    fn placement(self) -> Value {
        match self {
            To::None => json!({"clusters": []}),
            To::All => json!({"clusterSelector": {}}),
            To::Group(number) => json!({"clusterSelector": {"matchLabels": {"group": number.to_string()}}}),
        }
    }
}

/// Federated kinds, by their plural.
pub(crate) fn federated(plural: &str) -> GroupVersionResource {
    GroupVersionResource::new("types.kubefed.io", "v1beta1", plural)
}

/// A ConfigMap of 200 bytes.
pub(crate) fn config_map(name: &str, to: To) -> Value {
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": {"data": {"text": "x".repeat(200)}}, "placement": to.placement()},
    })
}

/// A Deployment without replicas.
pub(crate) fn deployment(name: &str, to: To) -> Value {
    let container = json!({"name": "webapp", "image": "myapp:v1.0", "ports": [{"containerPort": 8080}]});
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedDeployment", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "template": {"metadata": {"labels": {"app": name}}, "spec": {
                "replicas": 0, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}}},
            "placement": to.placement(),
        },
    })
}

/// The name of an object.
pub(crate) fn name(prefix: &str, number: usize) -> String {
    format!("{prefix}-{number:05}")
}
