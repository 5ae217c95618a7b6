//! The Endpoints object of a Service.

use std::collections::BTreeMap;

use comity_core::{Map, Value, json, object};

use super::{addresses, plan::Observed};
use crate::kit::pod;

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const HEADLESS: &str = "service.kubernetes.io/headless";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// Addresses of one object at most.
const MOST: usize = 1000;

/// Whether this controller wrote it.
pub(super) fn is_ours(endpoints: &Value) -> bool {
    object::label(endpoints, MANAGED_BY) == Some(MANAGER)
}

#[derive(Default)]
struct Subset {
    ports: Vec<Value>,
    ready: BTreeMap<String, Value>,
    unready: BTreeMap<String, Value>,
}

/// The object to write; `None` when the present one is right.
pub(super) fn wanted(observed: &Observed, present: Option<&Value>) -> Option<Value> {
    let service = &observed.service;
    let mut subsets: BTreeMap<String, Subset> = BTreeMap::new();
    let publishes = addresses::publishes_not_ready(service);
    let (mut count, mut truncated) = (0, false);
    for pod in observed.pods.iter().filter(|p| !pod::is_finished(p) && (publishes || !object::is_deleting(p))) {
        let Some(ip) = addresses::of_family(pod, "IPv4") else { continue };
        if count == MOST {
            truncated = true;
            break;
        }
        count += 1;
        let ports = addresses::ports(service, pod);
        let subset = subsets.entry(Value::Array(ports.clone()).to_string()).or_default();
        subset.ports = ports;
        let address = json!({
            "ip": ip, "nodeName": pod["spec"]["nodeName"],
            "targetRef": {"kind": "Pod", "namespace": object::namespace(pod), "name": object::name(pod), "uid": object::uid(pod)},
        });
        let list = if publishes || pod::is_ready(pod) { &mut subset.ready } else { &mut subset.unready };
        list.insert(ip.to_owned(), address);
    }
    let subsets: Vec<Value> = subsets.into_values().map(subset).collect();
    let mut labels: Map<String, Value> = object::labels(service).cloned().unwrap_or_default();
    labels.insert(MANAGED_BY.to_owned(), MANAGER.into());
    if addresses::is_headless(service) {
        labels.insert(HEADLESS.to_owned(), "".into());
    }
    let same = |present: &Value| {
        object::items_at(present, &["subsets"]) == subsets
            && object::labels(present) == Some(&labels)
            && object::annotation(present, OVER_CAPACITY).is_some() == truncated
    };
    if present.is_some_and(same) {
        return None;
    }
    let mut wanted = present.cloned().unwrap_or_else(|| {
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": object::name(service), "namespace": object::namespace(service)}})
    });
    wanted["metadata"]["labels"] = Value::Object(labels);
    object::remove(&mut wanted, &["metadata", "annotations", OVER_CAPACITY]);
    if truncated {
        object::set(&mut wanted, &["metadata", "annotations", OVER_CAPACITY], "truncated".into());
    }
    wanted["subsets"] = Value::Array(subsets);
    Some(wanted)
}

fn subset(subset: Subset) -> Value {
    let mut value = json!({});
    for (key, addresses) in [("addresses", subset.ready), ("notReadyAddresses", subset.unready)] {
        if !addresses.is_empty() {
            value[key] = addresses.into_values().collect();
        }
    }
    let mut ports = subset.ports;
    for port in ports.iter_mut().filter(|port| port["name"] == "") {
        object::remove(port, &["name"]);
    }
    if !ports.is_empty() {
        value["ports"] = Value::Array(ports.iter().map(in_order).collect());
    }
    value
}

/// The fields in the order of this kind.
fn in_order(port: &Value) -> Value {
    let mut ordered = Map::new();
    for key in ["name", "port", "protocol", "appProtocol"] {
        if let Some(value) = port.get(key) {
            ordered.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(ordered)
}
