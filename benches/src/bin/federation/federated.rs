//! The objects that are federated.

use comity_core::{GroupVersionResource, Value, json};

/// Where everything happens.
pub(crate) const NAMESPACE: &str = "bench";

/// Federated kinds, by their plural.
pub(crate) fn federated(plural: &str) -> GroupVersionResource {
    GroupVersionResource::new("types.kubefed.io", "v1beta1", plural)
}

/// A ConfigMap for every member.
pub(crate) fn config_map(name: &str, text: &str) -> Value {
    json!({
        "apiVersion": "types.kubefed.io/v1beta1",
        "kind": "FederatedConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "template": {"data": {"text": text}},
            "placement": {"clusterSelector": {}}
        }
    })
}

/// A Deployment for the three members by name, with other replicas in two of them.
pub(crate) fn deployment(name: &str) -> Value {
    let replicas =
        |cluster: &str, count: u32| json!({"clusterName": cluster, "clusterOverrides": [{"path": "/spec/replicas", "value": count}]});
    json!({
        "apiVersion": "types.kubefed.io/v1beta1",
        "kind": "FederatedDeployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "replicas": 3,
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": {"app": name}},
                        "spec": {"containers": [{"name": "webapp", "image": "myapp:v1.0", "ports": [{"containerPort": 8080}]}]}
                    }
                }
            },
            "placement": {"clusters": [{"name": "cluster1"}, {"name": "cluster2"}, {"name": "cluster3"}]},
            "overrides": [replicas("cluster1", 5), replicas("cluster2", 3)]
        }
    })
}
