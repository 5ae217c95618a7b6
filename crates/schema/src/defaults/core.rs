//! Rules of the core group.

use comity_core::{Map, Value};

use super::{
    Rule,
    get::{is_empty, items, object, or_insert, text},
};

pub(super) fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        "core.v1.Pod" => pod,
        "core.v1.PodSpec" => pod_spec,
        "core.v1.Container" | "core.v1.EphemeralContainer" => container,
        "core.v1.Volume" => volume,
        "core.v1.Service" => service,
        "core.v1.ReplicationController" => replication_controller,
        "core.v1.Namespace" => namespace,
        "core.v1.NodeStatus" => node_status,
        "core.v1.LimitRangeItem" => limit_range_item,
        _ => return None,
    })
}

fn pod(map: &mut Map<String, Value>) {
    or_insert(map, "spec", Value::Object(Map::new()));
    let Some(spec) = object(map, "spec") else { return };
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            if let Some(resources) = object(container, "resources") {
                requests_from_limits(resources);
            }
        }
    }
    or_insert(spec, "enableServiceLinks", true);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        for list in ["containers", "initContainers"] {
            for container in items(spec, list) {
                for port in items(container, "ports") {
                    if port.get("hostPort").is_none_or(|p| p.as_i64() == Some(0))
                        && let Some(own) = port.get("containerPort").cloned()
                    {
                        port.insert("hostPort".to_owned(), own);
                    }
                }
            }
        }
    }
}

/// The account has an old name besides its own; both always say the same.
fn pod_spec(map: &mut Map<String, Value>) {
    let account = [text(map, "serviceAccountName"), text(map, "serviceAccount")].into_iter().find(|name| !name.is_empty());
    if let Some(account) = account.map(str::to_owned) {
        map.insert("serviceAccountName".to_owned(), account.as_str().into());
        map.insert("serviceAccount".to_owned(), account.into());
    }
}

fn requests_from_limits(resources: &mut Map<String, Value>) {
    let Some(limits) = object(resources, "limits").map(|l| l.clone()) else { return };
    or_insert(resources, "requests", Value::Object(Map::new()));
    if let Some(requests) = object(resources, "requests") {
        for (name, amount) in limits {
            or_insert(requests, &name, amount);
        }
    }
}

fn container(map: &mut Map<String, Value>) {
    if is_empty(map, "imagePullPolicy") {
        map.insert("imagePullPolicy".to_owned(), pull_policy(text(map, "image")).into());
    }
}

/// `Always` when the tag is `latest` or there is neither tag nor digest; a reference that does not parse counts as having one.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, None), |(n, d)| (n, Some(d)));
    let last = name.rsplit('/').next().unwrap_or_default();
    let (repository, tag) = last.split_once(':').map_or((last, None), |(r, t)| (r, Some(t)));
    let parses = !repository.is_empty() && !name.contains(char::is_whitespace) && !repository.contains(char::is_uppercase);
    match (tag, digest) {
        (Some("latest"), _) => "Always",
        (None, None) if parses => "Always",
        _ => "IfNotPresent",
    }
}

fn volume(map: &mut Map<String, Value>) {
    if map.keys().all(|k| k == "name") {
        map.insert("emptyDir".to_owned(), Value::Object(Map::new()));
    }
    if let Some(image) = object(map, "image")
        && is_empty(image, "pullPolicy")
    {
        image.insert("pullPolicy".to_owned(), pull_policy(text(image, "reference")).into());
    }
}

fn service(map: &mut Map<String, Value>) {
    or_insert(map, "spec", Value::Object(Map::new()));
    let Some(spec) = object(map, "spec") else { return };
    for (key, value) in [("sessionAffinity", "None"), ("type", "ClusterIP")] {
        if is_empty(spec, key) {
            spec.insert(key.to_owned(), value.into());
        }
    }
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.shift_remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let given = spec.get("sessionAffinityConfig").and_then(|c| c.get("clientIP")).and_then(|c| c.get("timeoutSeconds"));
            if given.is_none_or(Value::is_null) {
                spec.insert("sessionAffinityConfig".to_owned(), serde_json::json!({"clientIP": {"timeoutSeconds": 10800}}));
            }
        }
        _ => {}
    }
    for port in items(spec, "ports") {
        let unset = match port.get("targetPort") {
            None | Some(Value::Null) => true,
            Some(Value::Number(n)) => n.as_i64() == Some(0),
            Some(Value::String(s)) => s.is_empty(),
            Some(_) => false,
        };
        if unset {
            let own = port.get("port").cloned().unwrap_or_else(|| 0.into());
            port.insert("targetPort".to_owned(), own);
        }
    }
    let kind = text(spec, "type").to_owned();
    let external = matches!(kind.as_str(), "LoadBalancer" | "NodePort") || (kind == "ClusterIP" && !is_empty(spec, "externalIPs"));
    if external && is_empty(spec, "externalTrafficPolicy") {
        spec.insert("externalTrafficPolicy".to_owned(), "Cluster".into());
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        or_insert(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        or_insert(spec, "allocateLoadBalancerNodePorts", true);
        let ingress = object(map, "status").and_then(|s| object(s, "loadBalancer"));
        for point in ingress.into_iter().flat_map(|b| items(b, "ingress")) {
            if !is_empty(point, "ip") {
                or_insert(point, "ipMode", "VIP");
            }
        }
    }
}

fn replication_controller(map: &mut Map<String, Value>) {
    let template = map.get("spec").and_then(|s| s.get("template")).and_then(|t| t.get("metadata")).and_then(|m| m.get("labels"));
    let Some(labels) = template.filter(|l| l.is_object()).cloned() else { return };
    if let Some(spec) = object(map, "spec")
        && is_empty(spec, "selector")
    {
        spec.insert("selector".to_owned(), labels.clone());
    }
    labels_if_none(map, labels);
}

/// Gives an object labels when it has none.
pub(super) fn labels_if_none(map: &mut Map<String, Value>, labels: Value) {
    or_insert(map, "metadata", Value::Object(Map::new()));
    if let Some(metadata) = object(map, "metadata")
        && is_empty(metadata, "labels")
    {
        metadata.insert("labels".to_owned(), labels);
    }
}

fn namespace(map: &mut Map<String, Value>) {
    let Some(metadata) = object(map, "metadata") else { return };
    let name = text(metadata, "name").to_owned();
    if name.is_empty() {
        return;
    }
    or_insert(metadata, "labels", Value::Object(Map::new()));
    if let Some(labels) = object(metadata, "labels") {
        labels.insert(comity_core::labels::NAMESPACE_NAME.to_owned(), name.into());
    }
}

fn node_status(map: &mut Map<String, Value>) {
    if let Some(capacity) = map.get("capacity").cloned() {
        or_insert(map, "allocatable", capacity);
    }
}

fn limit_range_item(map: &mut Map<String, Value>) {
    if text(map, "type") != "Container" {
        return;
    }
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        let amounts = map.get(from).and_then(Value::as_object).cloned().unwrap_or_default();
        or_insert(map, to, Value::Object(Map::new()));
        if let Some(target) = object(map, to) {
            for (name, amount) in amounts {
                or_insert(target, &name, amount);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_policy_follows_the_tag() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("host:5000/nginx", "Always"),
            ("host:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
            ("", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }
}
