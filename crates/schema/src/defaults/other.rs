//! Rules of the remaining groups.

use comity_core::{Map, Value};
use serde_json::json;

use super::{
    Rule,
    get::{is_empty, object, or_insert, text},
};

pub(super) fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        "networking.v1.NetworkPolicySpec" => network_policy,
        "rbac.v1.Subject" => subject,
        "resource.v1.ExactDeviceRequest" | "resource.v1.DeviceSubRequest" => device_request,
        "apiextensions.v1.CustomResourceDefinition" => definition,
        _ => return None,
    })
}

fn network_policy(map: &mut Map<String, Value>) {
    if is_empty(map, "policyTypes") {
        let types = if is_empty(map, "egress") { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
        map.insert("policyTypes".to_owned(), types);
    }
}

fn subject(map: &mut Map<String, Value>) {
    if is_empty(map, "apiGroup") && matches!(text(map, "kind"), "User" | "Group") {
        map.insert("apiGroup".to_owned(), "rbac.authorization.k8s.io".into());
    }
}

fn device_request(map: &mut Map<String, Value>) {
    if is_empty(map, "allocationMode") {
        map.insert("allocationMode".to_owned(), "ExactCount".into());
    }
    if text(map, "allocationMode") == "ExactCount" && map.get("count").is_none_or(|c| c.as_i64() == Some(0)) {
        map.insert("count".to_owned(), 1.into());
    }
}

fn definition(map: &mut Map<String, Value>) {
    or_insert(map, "spec", Value::Object(Map::new()));
    let Some(spec) = object(map, "spec") else { return };
    or_insert(spec, "conversion", json!({"strategy": "None"}));
    let stored = spec.get("versions").and_then(Value::as_array).into_iter().flatten().find(|v| v["storage"] == true);
    let stored = stored.and_then(|v| v.get("name")).cloned();
    if let Some(names) = object(spec, "names") {
        let kind = text(names, "kind").to_owned();
        if is_empty(names, "singular") && !kind.is_empty() {
            names.insert("singular".to_owned(), kind.to_lowercase().into());
        }
        if is_empty(names, "listKind") && !kind.is_empty() {
            names.insert("listKind".to_owned(), format!("{kind}List").into());
        }
    }
    if let Some(stored) = stored {
        or_insert(map, "status", Value::Object(Map::new()));
        if let Some(status) = object(map, "status")
            && is_empty(status, "storedVersions")
        {
            status.insert("storedVersions".to_owned(), json!([stored]));
        }
    }
}
