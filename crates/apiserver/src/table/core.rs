//! Nodes, namespaces and other small kinds.

use comity_core::{Value, duration, object};

use super::cells::{At, Cells, condition, flag, number, or, text};

pub(super) fn node(object: &Value, at: At) -> Cells {
    let mut status = match condition(object, "Ready").map(|ready| text(ready, &["status"])) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if flag(object, &["spec", "unschedulable"]) {
        status.push_str(",SchedulingDisabled");
    }
    let info = |key: &str| text(object, &["status", "nodeInfo", key]);
    let address = |kind: &str| {
        let addresses = object::items_at(object, &["status", "addresses"]);
        addresses.iter().find(|a| text(a, &["type"]) == kind).map_or("<none>", |a| text(a, &["address"]))
    };
    let architecture = info("architecture");
    let architecture = if architecture.is_empty() { String::new() } else { format!(" ({architecture})") };
    vec![
        object::name(object).into(),
        status.into(),
        or(&roles(object), "<none>").into(),
        at.age(object),
        info("kubeletVersion").into(),
        address("InternalIP").into(),
        address("ExternalIP").into(),
        or(info("osImage"), "<unknown>").into(),
        format!("{}{architecture}", or(info("kernelVersion"), "<unknown>")).into(),
        or(info("containerRuntimeVersion"), "<unknown>").into(),
    ]
}

/// The roles that labels give a node, sorted.
fn roles(node: &Value) -> String {
    let mut roles: Vec<&str> = object::labels(node)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles.join(",")
}

pub(super) fn namespace(object: &Value, at: At) -> Cells {
    vec![object::name(object).into(), text(object, &["status", "phase"]).into(), at.age(object)]
}

fn size(object: &Value, key: &str) -> usize {
    object.get(key).and_then(Value::as_object).map_or(0, comity_core::Map::len)
}

pub(super) fn config_map(object: &Value, at: At) -> Cells {
    vec![object::name(object).into(), (size(object, "data") + size(object, "binaryData")).into(), at.age(object)]
}

pub(super) fn secret(object: &Value, at: At) -> Cells {
    vec![object::name(object).into(), text(object, &["type"]).into(), size(object, "data").into(), at.age(object)]
}

pub(super) fn component_status(object: &Value, _: At) -> Cells {
    let healthy = object::items_at(object, &["conditions"]).iter().find(|c| text(c, &["type"]) == "Healthy");
    let status = match healthy.map(|c| text(c, &["status"])) {
        Some("True") => "Healthy",
        Some(_) => "Unhealthy",
        None => "Unknown",
    };
    let of = |key: &str| healthy.map_or("", |c| text(c, &[key]));
    vec![object::name(object).into(), status.into(), of("message").into(), of("error").into()]
}

pub(super) fn lease(object: &Value, at: At) -> Cells {
    vec![object::name(object).into(), text(object, &["spec", "holderIdentity"]).into(), at.age(object)]
}

pub(super) fn runtime_class(object: &Value, at: At) -> Cells {
    vec![object::name(object).into(), text(object, &["handler"]).into(), at.age(object)]
}

pub(super) fn priority_class(object: &Value, at: At) -> Cells {
    vec![
        object::name(object).into(),
        number(object, &["value"]).into(),
        flag(object, &["globalDefault"]).into(),
        at.age(object),
        text(object, &["preemptionPolicy"]).into(),
    ]
}

pub(super) fn api_service(object: &Value, at: At) -> Cells {
    let service = match object::at(object, &["spec", "service"]) {
        Some(service) => format!("{}/{}", text(service, &["namespace"]), text(service, &["name"])),
        None => "Local".to_owned(),
    };
    let available = match condition(object, "Available") {
        None => "Unknown".to_owned(),
        Some(condition) => match (text(condition, &["status"]), text(condition, &["reason"])) {
            (status @ "True", _) | (status, "") => status.to_owned(),
            (status, reason) => format!("{status} ({reason})"),
        },
    };
    vec![object::name(object).into(), service.into(), available.into(), at.age(object)]
}

pub(super) fn signing_request(object: &Value, at: At) -> Cells {
    let has = |kind: &str| condition(object, kind).is_some();
    let mut status = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    }
    .to_owned();
    if has("Failed") {
        status.push_str(",Failed");
    }
    if !text(object, &["status", "certificate"]).is_empty() {
        status.push_str(",Issued");
    }
    vec![
        object::name(object).into(),
        at.age(object),
        or(text(object, &["spec", "signerName"]), "<none>").into(),
        text(object, &["spec", "username"]).into(),
        object::int_at(object, &["spec", "expirationSeconds"]).map_or_else(|| "<none>".to_owned(), duration::human).into(),
        status.into(),
    ]
}
