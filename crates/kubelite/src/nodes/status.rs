//! What users see of a simulated node.

use comity_core::{Value, json, object, time};
use jiff::Timestamp;

use super::address;
use crate::{config::MemberConfig, kit::simulated::SIMULATED};

/// A node that is made at the start.
pub(super) fn new_node(config: &MemberConfig, index: usize) -> Value {
    let name = address::node_name(&config.cluster, index);
    let mut labels = json!({
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", SIMULATED: "true",
    });
    if !config.region.is_empty() {
        labels["topology.kubernetes.io/region"] = config.region.as_str().into();
    }
    if !config.zones.is_empty() {
        labels["topology.kubernetes.io/zone"] = config.zones[index % config.zones.len()].as_str().into();
    }
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {"providerID": format!("comity-sim://{}/{name}", config.cluster)}});
    if let Ok(index) = u32::try_from(index) {
        let block = address::block(index);
        node["spec"]["podCIDR"] = block.as_str().into();
        node["spec"]["podCIDRs"] = json!([block]);
    }
    node
}

/// The status of a living node.
pub(super) fn wanted(config: &MemberConfig, node: &Value, now: Timestamp) -> Value {
    let name = object::name(node);
    // what somebody gave the node beforehand stays
    let given = object::at(node, &["status", "capacity"]).filter(|capacity| capacity.as_object().is_some_and(|c| !c.is_empty()));
    let capacity = given.cloned().unwrap_or_else(|| {
        json!({"cpu": config.node.cpu, "ephemeral-storage": "100Gi", "memory": config.node.memory, "pods": config.node.pods.to_string()})
    });
    let allocatable = object::at(node, &["status", "allocatable"]).filter(|a| a.as_object().is_some_and(|a| !a.is_empty()));
    let conditions = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("NetworkUnavailable", "False", "RouteCreated", "simulated network"),
        ("Simulated", "True", "SimulatedNode", "this node is simulated: its pods run no processes"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ];
    let conditions: Vec<Value> =
        conditions.iter().map(|(kind, status, reason, message)| condition(node, kind, status, reason, message, now)).collect();
    json!({
        "allocatable": allocatable.unwrap_or(&capacity), "capacity": capacity, "conditions": conditions,
        "addresses": [{"type": "InternalIP", "address": address::node_ip(&config.cluster, name).to_string()}, {"type": "Hostname", "address": name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": "amd64", "bootID": object::uid(node), "containerRuntimeVersion": "comity-sim://1", "kernelVersion": "simulated",
            "kubeProxyVersion": "", "kubeletVersion": format!("{}+simulated", config.version), "machineID": object::uid(node),
            "operatingSystem": "linux", "osImage": "Comity simulated node", "systemUUID": object::uid(node),
        },
    })
}

fn condition(node: &Value, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Value {
    let now = time::rfc3339(now);
    let old = comity_core::condition::find(node, kind).filter(|old| old["status"] == status);
    let since = old.map_or_else(|| now.clone().into(), |old| old["lastTransitionTime"].clone());
    json!({"type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": since, "reason": reason, "message": message})
}
