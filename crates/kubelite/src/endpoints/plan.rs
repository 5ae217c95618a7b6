//! The slices of a Service: kept, filled up, made and deleted with as few writes as possible.

use std::{collections::BTreeMap, sync::Arc};

use comity_core::{Map, Value, json, object, time};
use jiff::Timestamp;

use super::addresses;
use crate::kit::{hands::controller_reference, pod};

pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
pub(super) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
pub(super) const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// Endpoints per slice.
const FULL: usize = 100;

/// What a round sees.
pub(super) struct Observed {
    pub(super) service: Arc<Value>,
    /// The pods that the selector chooses.
    pub(super) pods: Vec<Arc<Value>>,
    pub(super) nodes: Vec<Arc<Value>>,
    /// The slices of this Service that are ours.
    pub(super) slices: Vec<Arc<Value>>,
    pub(super) now: Timestamp,
}

/// What a round does.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) create: Vec<Value>,
    pub(super) update: Vec<Value>,
    pub(super) delete: Vec<Arc<Value>>,
}

/// Endpoints by what one slice can hold: address family and ports.
type Groups = BTreeMap<(String, String), Group>;

#[derive(Default)]
struct Group {
    ports: Value,
    /// By pod uid.
    endpoints: BTreeMap<String, Value>,
}

pub(super) fn plan(observed: &Observed) -> Plan {
    let service = &observed.service;
    let mut plan = Plan::default();
    let mut groups = groups(observed);
    for slice in &observed.slices {
        let owner = object::controller_ref(slice).map(|owner| object::str_at(owner, &["uid"]));
        let key = (object::str_at(slice, &["addressType"]).to_owned(), key_of(&slice["ports"]));
        if owner != Some(object::uid(service)) || !groups.contains_key(&key) {
            plan.delete.push(slice.clone());
        }
    }
    for ((family, ports), group) in &mut groups {
        let of_group = |slice: &&Arc<Value>| {
            slice["addressType"] == *family && key_of(&slice["ports"]) == *ports && !plan.delete.iter().any(|gone| Arc::ptr_eq(gone, slice))
        };
        let slices: Vec<Arc<Value>> = observed.slices.iter().filter(of_group).cloned().collect();
        fill(observed, family, group, slices, &mut plan);
    }
    if object::is_deleting(service) {
        plan.create.clear();
    }
    plan
}

fn groups(observed: &Observed) -> Groups {
    let service = &observed.service;
    let families: Vec<&str> = object::items_at(service, &["spec", "ipFamilies"]).iter().filter_map(Value::as_str).collect();
    let families = if families.is_empty() { vec!["IPv4"] } else { families };
    let mut groups = Groups::new();
    for family in families {
        for pod in observed.pods.iter().filter(|p| !pod::is_finished(p)) {
            let Some(address) = addresses::of_family(pod, family) else { continue };
            let ports = addresses::ports(service, pod);
            let ports = if ports.is_empty() && !addresses::is_headless(service) { Value::Null } else { Value::Array(ports) };
            let group = groups.entry((family.to_owned(), key_of(&ports))).or_default();
            group.endpoints.insert(object::uid(pod).to_owned(), endpoint(observed, pod, address));
            group.ports = ports;
        }
        if !groups.keys().any(|(present, _)| present == family) {
            // a placeholder tells that the Service is looked after
            groups.insert((family.to_owned(), key_of(&Value::Null)), Group::default());
        }
    }
    groups
}

/// Nothing and an empty list of ports are the same.
fn key_of(ports: &Value) -> String {
    let mut ports: Vec<String> = ports.as_array().into_iter().flatten().map(port_key).collect();
    ports.sort();
    ports.join(",")
}

fn port_key(port: &Value) -> String {
    let text = |key| object::str_at(port, &[key]);
    format!("{}/{}/{}/{}", text("name"), text("protocol"), port["port"], text("appProtocol"))
}

fn endpoint(observed: &Observed, pod: &Value, address: &str) -> Value {
    let service = &observed.service;
    let (serving, terminating) = (pod::is_ready(pod), object::is_deleting(pod));
    let ready = addresses::publishes_not_ready(service) || (serving && !terminating);
    let mut endpoint = json!({
        "addresses": [address], "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": object::namespace(pod), "name": object::name(pod), "uid": object::uid(pod)},
    });
    let hostname = object::str_at(pod, &["spec", "hostname"]);
    if !hostname.is_empty() && object::str_at(pod, &["spec", "subdomain"]) == object::name(service) {
        endpoint["hostname"] = hostname.into();
    }
    let node = object::str_at(pod, &["spec", "nodeName"]);
    if !node.is_empty() {
        endpoint["nodeName"] = node.into();
    }
    let zone = observed.nodes.iter().find(|n| object::name(n) == node).and_then(|n| object::label(n, "topology.kubernetes.io/zone"));
    if let Some(zone) = zone {
        endpoint["zone"] = zone.into();
        if matches!(object::str_at(service, &["spec", "trafficDistribution"]), "PreferClose" | "PreferSameZone") {
            endpoint["hints"] = json!({"forZones": [{"name": zone}]});
        }
    }
    endpoint
}

/// Puts the endpoints of a group into its slices.
fn fill(observed: &Observed, family: &str, group: &mut Group, slices: Vec<Arc<Value>>, plan: &mut Plan) {
    let mut left = std::mem::take(&mut group.endpoints);
    let is_placeholder = left.is_empty();
    // each slice keeps those of its endpoints that are still wanted, in their present state
    let mut kept: Vec<(Arc<Value>, Vec<Value>)> = slices
        .into_iter()
        .map(|slice| {
            let uids = object::items_at(&slice, &["endpoints"]).iter().map(|e| object::str_at(e, &["targetRef", "uid"]).to_owned());
            let endpoints = uids.collect::<Vec<_>>().into_iter().filter_map(|uid| left.remove(&uid)).collect();
            (slice, endpoints)
        })
        .collect();
    let mut rest: Vec<Value> = left.into_values().collect();
    for (slice, endpoints) in &mut kept {
        if object::items_at(slice, &["endpoints"]) != *endpoints {
            take(endpoints, &mut rest);
        }
    }
    let fits = |endpoints: &Vec<Value>, rest: &Vec<Value>| endpoints.len() + rest.len() <= FULL;
    let fullest = kept.iter_mut().filter(|(_, endpoints)| fits(endpoints, &rest)).max_by_key(|(_, endpoints)| endpoints.len());
    if let Some((_, endpoints)) = fullest.filter(|_| !rest.is_empty()) {
        take(endpoints, &mut rest);
    }
    let mut placeholder = is_placeholder;
    let mut empty = Vec::new();
    for (slice, endpoints) in kept {
        if endpoints.is_empty() && !std::mem::take(&mut placeholder) {
            empty.push(slice);
            continue;
        }
        update(observed, &slice, family, &group.ports, endpoints, plan);
    }
    while !rest.is_empty() || placeholder {
        placeholder = false;
        let mut endpoints = Vec::new();
        take(&mut endpoints, &mut rest);
        match empty.pop() {
            Some(slice) => update(observed, &slice, family, &group.ports, endpoints, plan),
            None => plan.create.push(slice(observed, family, &group.ports, endpoints)),
        }
    }
    plan.delete.extend(empty);
}

fn take(endpoints: &mut Vec<Value>, rest: &mut Vec<Value>) {
    let room = FULL.saturating_sub(endpoints.len()).min(rest.len());
    endpoints.extend(rest.drain(..room));
}

fn update(observed: &Observed, present: &Value, family: &str, ports: &Value, endpoints: Vec<Value>, plan: &mut Plan) {
    let wanted = slice(observed, family, ports, endpoints);
    let same = object::items_at(present, &["endpoints"]) == object::items_at(&wanted, &["endpoints"])
        && object::labels(present) == object::labels(&wanted);
    if same {
        return;
    }
    let mut updated = present.clone();
    for key in ["endpoints", "ports"] {
        updated[key] = wanted[key].clone();
    }
    updated["metadata"]["labels"] = wanted["metadata"]["labels"].clone();
    object::set(&mut updated, &["metadata", "annotations", TRIGGER], time::rfc3339(observed.now).into());
    plan.update.push(updated);
}

fn slice(observed: &Observed, family: &str, ports: &Value, endpoints: Vec<Value>) -> Value {
    let service = &observed.service;
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{}-", object::name(service)), "namespace": object::namespace(service), "labels": labels(service),
            "annotations": {TRIGGER: time::rfc3339(observed.now)}, "ownerReferences": [controller_reference(service)],
        },
        "addressType": family, "endpoints": endpoints, "ports": ports,
    })
}

fn labels(service: &Value) -> Map<String, Value> {
    let mut labels: Map<String, Value> = object::labels(service).cloned().unwrap_or_default();
    labels.shift_remove(HEADLESS);
    if addresses::is_headless(service) {
        labels.insert(HEADLESS.to_owned(), "".into());
    }
    labels.insert(SERVICE_NAME.to_owned(), object::name(service).into());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.into());
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(extra: Value) -> Arc<Value> {
        let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "d", "uid": "svc", "labels": {"l": "1"}},
            "spec": {"selector": {"app": "a"}, "clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]}});
        for (key, value) in extra.as_object().into_iter().flatten() {
            service["spec"][key] = value.clone();
        }
        Arc::new(service)
    }

    fn pod(number: usize, state: &str) -> Arc<Value> {
        let ready = if state == "ready" || state == "leaving" { "True" } else { "False" };
        let mut pod = json!({"metadata": {"name": format!("p{number}"), "namespace": "d", "uid": format!("u{number:04}")},
            "spec": {"nodeName": "n", "containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]},
            "status": {"phase": "Running", "podIP": format!("10.1.{}.{}", number / 250, number % 250), "conditions": [{"type": "Ready", "status": ready}]}});
        match state {
            "leaving" => pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into(),
            "done" => pod["status"]["phase"] = "Succeeded".into(),
            _ => {}
        }
        Arc::new(pod)
    }

    fn observed(service: Arc<Value>, pods: Vec<Arc<Value>>, slices: &[Value]) -> Observed {
        let node = Arc::new(json!({"metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z1"}}}));
        let named = |(index, slice): (usize, &Value)| {
            let mut slice = slice.clone();
            if object::uid(&slice).is_empty() {
                slice["metadata"]["name"] = format!("s-{index}").into();
                slice["metadata"]["uid"] = format!("slice-{index}").into();
            }
            Arc::new(slice)
        };
        let slices = slices.iter().enumerate().map(named).collect();
        Observed { service, pods, nodes: vec![node], slices, now: "2026-01-01T00:00:00Z".parse().unwrap() }
    }

    #[test]
    fn a_slice_names_ready_unready_and_leaving_pods_and_leaves_finished_ones_out() {
        let pods = vec![pod(1, "ready"), pod(2, "unready"), pod(3, "leaving"), pod(4, "done")];
        let planned = plan(&observed(service(json!({})), pods, &[]));
        assert_eq!((planned.create.len(), planned.update.len(), planned.delete.len()), (1, 0, 0));
        let slice = &planned.create[0];
        assert_eq!(slice["ports"], json!([{"name": "http", "protocol": "TCP", "port": 8080}]));
        let line = |e: &Value| format!("{} {}", e["addresses"][0].as_str().unwrap(), e["conditions"]);
        let lines: Vec<String> = slice["endpoints"].as_array().unwrap().iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        10.1.0.1 {"ready":true,"serving":true,"terminating":false}
        10.1.0.2 {"ready":false,"serving":false,"terminating":false}
        10.1.0.3 {"ready":false,"serving":true,"terminating":true}
        "#);
        insta::assert_snapshot!(slice["metadata"], @r#"{"generateName":"s-","namespace":"d","labels":{"l":"1","kubernetes.io/service-name":"s","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"},"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"2026-01-01T00:00:00Z"},"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"s","uid":"svc","controller":true,"blockOwnerDeletion":true}]}"#);
        assert_eq!(slice["endpoints"][0]["zone"], "z1");
    }

    #[test]
    fn nothing_is_written_when_nothing_changes() {
        let pods = vec![pod(1, "ready"), pod(2, "ready")];
        let first = plan(&observed(service(json!({})), pods.clone(), &[]));
        let again = plan(&observed(service(json!({})), pods, &first.create));
        assert_eq!((again.create.len(), again.update.len(), again.delete.len()), (0, 0, 0));
    }

    #[test]
    fn a_service_without_pods_has_a_placeholder_that_is_used_when_pods_come() {
        let first = plan(&observed(service(json!({})), Vec::new(), &[]));
        assert_eq!((first.create.len(), &first.create[0]["ports"], &first.create[0]["endpoints"]), (1, &Value::Null, &json!([])));
        let idle = plan(&observed(service(json!({})), Vec::new(), &first.create));
        assert!(idle.create.is_empty() && idle.update.is_empty() && idle.delete.is_empty());
        let filled = plan(&observed(service(json!({})), vec![pod(1, "ready")], &first.create));
        assert_eq!((filled.create.len(), filled.delete.len()), (1, 1));
    }

    #[test]
    fn many_pods_fill_slices_of_a_hundred_and_a_change_touches_one() {
        let mut pods: Vec<_> = (0..250).map(|number| pod(number, "ready")).collect();
        let first = plan(&observed(service(json!({})), pods.clone(), &[]));
        assert_eq!(first.create.iter().map(|s| s["endpoints"].as_array().unwrap().len()).collect::<Vec<_>>(), [100, 100, 50]);
        pods[0] = pod(0, "unready");
        let changed = plan(&observed(service(json!({})), pods.clone(), &first.create));
        assert_eq!((changed.create.len(), changed.update.len(), changed.delete.len()), (0, 1, 0));
        pods.push(pod(300, "ready"));
        pods[0] = pod(0, "ready");
        let grown = plan(&observed(service(json!({})), pods, &first.create));
        assert_eq!(grown.update.iter().map(|s| s["endpoints"].as_array().unwrap().len()).collect::<Vec<_>>(), [51]);
    }

    #[test]
    fn slices_of_an_older_service_of_the_name_go() {
        let mut old = plan(&observed(service(json!({})), vec![pod(1, "ready")], &[])).create;
        old[0]["metadata"]["ownerReferences"][0]["uid"] = "older".into();
        let planned = plan(&observed(service(json!({})), vec![pod(1, "ready")], &old));
        assert_eq!((planned.create.len(), planned.delete.len()), (1, 1));
    }

    #[test]
    fn headless_services_publish_as_told_and_prefer_their_zone_when_told() {
        let extra = json!({"clusterIP": "None", "ports": null, "publishNotReadyAddresses": true, "trafficDistribution": "PreferClose"});
        let slice = plan(&observed(service(extra), vec![pod(1, "unready")], &[])).create.remove(0);
        assert_eq!(slice["metadata"]["labels"]["service.kubernetes.io/headless"], "");
        assert_eq!(slice["endpoints"][0]["conditions"]["ready"], true);
        assert_eq!(slice["endpoints"][0]["hints"]["forZones"][0]["name"], "z1");
        assert_eq!(slice["ports"], json!([]));
    }
}
