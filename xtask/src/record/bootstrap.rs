//! Objects that a fresh server makes by itself.

use comity_testkit_core::client::Client;
use serde_json::{Map, Value};

const RBAC: [(&str, &str); 4] = [
    ("ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
    ("Role", "/apis/rbac.authorization.k8s.io/v1/roles"),
    ("RoleBinding", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
];

const OTHERS: [(&str, &str); 5] = [
    ("Namespace", "/api/v1/namespaces"),
    ("PriorityClass", "/apis/scheduling.k8s.io/v1/priorityclasses"),
    ("FlowSchema", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"),
    ("PriorityLevelConfiguration", "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"),
    ("APIService", "/apis/apiregistration.k8s.io/v1/apiservices"),
];

/// Roles and bindings. Aggregated roles are listed with the rules that a controller would fill in left out.
pub fn rbac(client: &Client) -> anyhow::Result<Vec<Value>> {
    collect(client, &RBAC)
}

/// Namespaces, priority classes, flow control, API services.
pub fn objects(client: &Client) -> anyhow::Result<Vec<Value>> {
    collect(client, &OTHERS)
}

fn collect(client: &Client, lists: &[(&str, &str)]) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    for (kind, path) in lists {
        let answer = client.get(path, "application/json")?;
        let mut items: Vec<Value> = answer["items"].as_array().cloned().unwrap_or_default();
        anyhow::ensure!(!items.is_empty(), "{path} is empty: the server had not settled");
        items.sort_by_key(|item| (text(item, "namespace"), text(item, "name")));
        for item in items {
            all.push(clean(kind, answer["apiVersion"].as_str().unwrap_or_default(), item));
        }
    }
    Ok(all)
}

fn text(item: &Value, key: &str) -> String {
    item["metadata"][key].as_str().unwrap_or_default().to_owned()
}

/// Without what the server sets anew each time; kind and apiVersion, which list items lack, come first.
fn clean(kind: &str, api_version: &str, item: Value) -> Value {
    let mut clean = Map::new();
    clean.insert("kind".to_owned(), kind.into());
    clean.insert("apiVersion".to_owned(), api_version.into());
    let Value::Object(item) = item else { return Value::Object(clean) };
    for (key, mut value) in item {
        match key.as_str() {
            "metadata" => {
                if let Value::Object(metadata) = &mut value {
                    metadata.retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
                }
            }
            "status" => match value.get_mut("conditions").and_then(Value::as_array_mut) {
                Some(conditions) => {
                    for condition in conditions.iter_mut().filter_map(Value::as_object_mut) {
                        condition.remove("lastTransitionTime");
                    }
                }
                None => continue,
            },
            "kind" | "apiVersion" => continue,
            _ => {}
        }
        clean.insert(key, value);
    }
    Value::Object(clean)
}
