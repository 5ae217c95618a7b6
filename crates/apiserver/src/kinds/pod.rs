//! Pods: initial status and quality of service.

use async_trait::async_trait;
use comity_core::{Map, Status, Value, json, object, quantity::Quantity};

use super::{Change, KindHooks};

/// `podIP` and `hostIP` are the first of the lists beside them.
pub fn list_addresses(pod: &mut Value) {
    for (one, many) in [("podIP", "podIPs"), ("hostIP", "hostIPs")] {
        let first = object::items_at(pod, &["status", many]).first().map(|ip| object::str_at(ip, &["ip"]).to_owned());
        let single = object::str_at(pod, &["status", one]).to_owned();
        if !single.is_empty() && first.as_deref() != Some(&single) {
            object::set(pod, &["status", many], json!([{"ip": single}]));
        }
    }
}

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        let Some(old) = old else {
            object::set(new, &["status"], json!({"phase": "Pending", "qosClass": qos_class(new)}));
            return Ok(());
        };
        match change.subresource {
            "status" => {
                for path in [["metadata", "ownerReferences"], ["metadata", "deletionTimestamp"]] {
                    match object::at(old, &path) {
                        Some(value) => object::set(new, &path, value.clone()),
                        None => {
                            object::remove(new, &path);
                        }
                    }
                }
                if let Some(class) = object::at(old, &["status", "qosClass"]) {
                    object::set(new, &["status", "qosClass"], class.clone());
                }
            }
            "ephemeralcontainers" => only(new, old, |new, old| {
                let containers = object::at(new, &["spec", "ephemeralContainers"]).cloned();
                let mut spec = old.get("spec").cloned().unwrap_or_default();
                if let Some(containers) = containers {
                    object::set(&mut spec, &["ephemeralContainers"], containers);
                }
                spec
            }),
            "resize" => only(new, old, |new, old| {
                let mut spec = old.get("spec").cloned().unwrap_or_default();
                let sent = object::items_at(new, &["spec", "containers"]).to_vec();
                let mut containers = object::items_at(&spec, &["containers"]).to_vec();
                for container in &mut containers {
                    let same = sent.iter().find(|c| c.get("name") == container.get("name"));
                    for key in ["resources", "resizePolicy"] {
                        if let Some(value) = same.and_then(|c| c.get(key)) {
                            object::set(container, &[key], value.clone());
                        }
                    }
                }
                object::set(&mut spec, &["containers"], Value::Array(containers));
                spec
            }),
            _ => {}
        }
        Ok(())
    }
}

/// Everything but a part of the spec comes from the old pod.
fn only(new: &mut Value, old: &Value, spec: impl FnOnce(&Value, &Value) -> Value) {
    let spec = spec(new, old);
    object::set(new, &["spec"], spec);
    if let Some(status) = old.get("status") {
        object::set(new, &["status"], status.clone());
    }
}

/// `Guaranteed` when every container limits cpu and memory to its requests, `BestEffort` when none asks for anything.
pub fn qos_class(pod: &Value) -> &'static str {
    let mut containers = object::items_at(pod, &["spec", "containers"]).to_vec();
    containers.extend_from_slice(object::items_at(pod, &["spec", "initContainers"]));
    let amounts = |container: &Value, which: &str| -> Map<String, Value> {
        let all = object::at(container, &["resources", which]).and_then(Value::as_object).cloned().unwrap_or_default();
        let positive =
            |v: &Value| v.as_str().map_or_else(|| Quantity::parse(&v.to_string()), Quantity::parse).is_some_and(|q| q != Quantity::ZERO);
        all.into_iter().filter(|(key, value)| matches!(key.as_str(), "cpu" | "memory") && positive(value)).collect()
    };
    let (mut any, mut guaranteed) = (false, true);
    for container in &containers {
        let (requests, limits) = (amounts(container, "requests"), amounts(container, "limits"));
        any |= !requests.is_empty() || !limits.is_empty();
        guaranteed &= limits.len() == 2 && (requests.is_empty() || limits.iter().all(|(key, limit)| requests.get(key) == Some(limit)));
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_of_service_follows_requests_and_limits() {
        let class = |resources: Value| qos_class(&json!({"spec": {"containers": [{"resources": resources}]}}));
        assert_eq!(class(json!({})), "BestEffort");
        assert_eq!(class(json!({"requests": {"cpu": "1"}})), "Burstable");
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(class(json!({"requests": both, "limits": both})), "Guaranteed");
        assert_eq!(class(json!({"requests": {"cpu": "1", "memory": "2Gi"}, "limits": both})), "Burstable");
    }
}
