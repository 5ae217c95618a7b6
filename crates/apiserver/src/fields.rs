//! Fields that field selectors may name, per kind, and the facts that the store keeps of every object.

use std::sync::Arc;

use comity_core::{
    Value,
    object::{at, str_at},
};
use comity_store::{Extractor, Facts, Fields};

use crate::registry::Resource;

const POD: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];
const EVENT: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

/// Selectable fields of a built-in kind by its name in the store, beyond name and namespace.
fn builtin(storage: &str) -> &'static [&'static str] {
    match storage {
        "pods" => POD,
        "events" => EVENT,
        "nodes" => &["spec.unschedulable"],
        "replicationcontrollers" | "apps/replicasets" => &["status.replicas"],
        "namespaces" => &["status.phase"],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        "batch/jobs" => &["status.successful"],
        "resource.k8s.io/resourceslices" => &["spec.nodeName", "spec.driver"],
        "certificates.k8s.io/certificatesigningrequests" => &["spec.signerName"],
        "apiextensions.k8s.io/customresourcedefinitions" | "apiregistration.k8s.io/apiservices" => &[],
        _ => &[],
    }
}

/// The field as the store knows it, for the name that a client uses; nothing when it cannot be selected by.
pub fn canonical(resource: &Resource, field: &str) -> Option<String> {
    if matches!(field, "metadata.name" | "metadata.namespace") {
        return Some(field.to_owned());
    }
    if let Some(custom) = &resource.custom {
        return custom.selectable_fields.iter().any(|path| path.trim_start_matches('.') == field).then(|| field.to_owned());
    }
    let field = match (&*resource.storage, field) {
        ("pods", "spec.host") => "spec.nodeName",
        ("events", "reportingController") => "reportingComponent",
        ("events", other) if other.starts_with("regarding.") => {
            return canonical(resource, &other.replacen("regarding", "involvedObject", 1));
        }
        (_, other) => other,
    };
    builtin(&resource.storage).contains(&field).then(|| field.to_owned())
}

/// The text for a field that cannot be selected by.
pub fn unsupported(resource: &Resource, field: &str) -> String {
    if resource.custom.is_some() {
        return format!("field label not supported: {field}");
    }
    if builtin(&resource.storage).is_empty() {
        return format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
    }
    match &*resource.storage {
        "nodes" | "namespaces" | "secrets" | "replicationcontrollers" | "events" | "services" | "pods" => {
            format!("field label not supported: {field}")
        }
        _ => format!("field label {field:?} not supported for {}", resource.info.kind),
    }
}

/// A field's value in a stored object; empty when absent.
pub fn value(storage: &str, object: &Value, field: &str) -> String {
    match (storage, field) {
        ("pods", "status.podIPs") => {
            let ips = comity_core::object::items_at(object, &["status", "podIPs"]);
            return ips.iter().map(|ip| str_at(ip, &["ip"])).collect::<Vec<_>>().join(",");
        }
        ("pods", "spec.hostNetwork") | ("nodes", "spec.unschedulable") => {
            return (at_path(object, field) == Some(&Value::Bool(true))).to_string();
        }
        ("batch/jobs", _) => return at(object, &["status", "succeeded"]).map_or_else(|| "0".to_owned(), Value::to_string),
        ("replicationcontrollers" | "apps/replicasets", _) => {
            return at_path(object, field).map_or_else(|| "0".to_owned(), Value::to_string);
        }
        ("events", "source") => {
            let source = str_at(object, &["source", "component"]);
            return if source.is_empty() { str_at(object, &["reportingComponent"]) } else { source }.to_owned();
        }
        _ => {}
    }
    match at_path(object, field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn at_path<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(object, |value, key| value.get(key))
}

/// Derives what selectors and indexes ask for; every store of an API server is opened with it.
pub fn extractor() -> Extractor {
    Arc::new(|key, object| {
        let fields = builtin(&key.resource);
        if fields.is_empty() {
            return Facts::of_metadata(object);
        }
        Facts::of_metadata(object).with_fields(Fields::of(fields, |field| value(&key.resource, object, field)))
    })
}
