//! What a pod contributes to a Service.

use comity_core::{Value, json, object};

use crate::kit::pod;

/// Whether two states of a pod mean the same for every Service.
pub(super) fn same(old: &Value, new: &Value) -> bool {
    let facts = |p: &Value| {
        (
            object::str_at(p, &["status", "podIP"]).to_owned(),
            pod::is_ready(p),
            pod::is_finished(p),
            object::is_deleting(p),
            object::labels(p).cloned(),
            object::str_at(p, &["spec", "nodeName"]).to_owned(),
        )
    };
    facts(old) == facts(new)
}

/// The pod's address of a family.
pub(super) fn of_family<'a>(pod: &'a Value, family: &str) -> Option<&'a str> {
    let ips = object::items_at(pod, &["status", "podIPs"]).iter().map(|ip| object::str_at(ip, &["ip"]));
    let all = ips.chain([object::str_at(pod, &["status", "podIP"])]);
    all.filter(|ip| !ip.is_empty()).find(|ip| ip.contains(':') == (family == "IPv6"))
}

/// The ports of a Service as a pod has them; a named port that the pod lacks is left out.
pub(super) fn ports(service: &Value, pod: &Value) -> Vec<Value> {
    let ports = object::items_at(service, &["spec", "ports"]).iter();
    let resolved = ports.filter_map(|port| {
        let protocol = match object::str_at(port, &["protocol"]) {
            "" => "TCP",
            protocol => protocol,
        };
        let number = match port.get("targetPort") {
            Some(Value::String(name)) => named(pod, name, protocol)?,
            Some(Value::Number(number)) if number.as_i64() != Some(0) => number.as_i64()?,
            _ => object::int_at(port, &["port"])?,
        };
        let mut resolved = json!({"name": object::str_at(port, &["name"]), "protocol": protocol, "port": number});
        if let Some(app) = port.get("appProtocol").filter(|app| !app.is_null()) {
            resolved["appProtocol"] = app.clone();
        }
        Some(resolved)
    });
    let mut resolved: Vec<Value> = resolved.collect();
    resolved.sort_by_key(ToString::to_string);
    resolved
}

fn named(pod: &Value, name: &str, protocol: &str) -> Option<i64> {
    let sidecars = object::items_at(pod, &["spec", "initContainers"]).iter().filter(|c| c["restartPolicy"] == "Always");
    let containers = object::items_at(pod, &["spec", "containers"]).iter().chain(sidecars);
    let mut ports = containers.flat_map(|c| object::items_at(c, &["ports"]));
    let matches = |p: &&Value| p["name"] == name && matches!(object::str_at(p, &["protocol"]), "" | "TCP") == (protocol == "TCP");
    ports.find(matches).and_then(|p| object::int_at(p, &["containerPort"]))
}

/// Whether a Service wants addresses that are not ready.
pub(super) fn publishes_not_ready(service: &Value) -> bool {
    object::at(service, &["spec", "publishNotReadyAddresses"]) == Some(&Value::Bool(true))
}

pub(super) fn is_headless(service: &Value) -> bool {
    object::str_at(service, &["spec", "clusterIP"]) == "None"
}
