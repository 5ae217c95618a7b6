//! Objects as rows: the `Table` answers that `kubectl get` prints.
//!
//! The columns are in [`ResourceInfo::columns`]; the cells are computed here, always for
//! the wide form, of which clients show what they want. Kinds without cells of their own have a name and a time.

mod admission;
mod autoscaling;
mod cells;
mod core;
mod custom;
mod discovery;
mod events;
mod networking;
mod pods;
mod policy;
mod rbac;
mod storage;
mod workloads;

use comity_core::{Value, json, object};
use comity_schema::{Column, ResourceInfo};
use jiff::Timestamp;

use crate::registry::Resource;
use cells::{At, Cells};

/// `columnDefinitions`. Of a watch only the first event has them.
pub fn definitions(resource: &Resource) -> Vec<Value> {
    if resource.info.columns.is_empty() {
        return vec![
            json!({"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}),
            json!({"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0}),
        ];
    }
    resource.info.columns.iter().map(definition).collect()
}

fn definition(column: &Column) -> Value {
    json!({"name": column.name, "type": column.kind, "format": column.format, "description": column.description, "priority": column.priority})
}

/// The cells of an object's row.
pub fn cells(resource: &Resource, object: &Value) -> Vec<Value> {
    cells_at(&resource.info, resource.custom.as_ref().map(|custom| custom.column_paths.as_slice()), object, Timestamp::now())
}

/// The cells at a moment. Of a custom kind the JSONPath of every column is given, that of the name included.
pub fn cells_at(info: &ResourceInfo, paths: Option<&[String]>, object: &Value, now: Timestamp) -> Vec<Value> {
    let at = At { now };
    if let Some(paths) = paths {
        return custom::cells(&info.columns, paths, object, at);
    }
    match by_kind(&info.group, &info.kind) {
        Some(cells) => cells(object, at),
        None if info.columns.iter().any(|column| column.name == "Age") => vec![object::name(object).into(), at.age(object)],
        None => vec![object::name(object).into(), object::str_at(object, &["metadata", "creationTimestamp"]).into()],
    }
}

/// What a row says about its object as a whole: that a pod has come to its end.
pub fn row_conditions(resource: &Resource, object: &Value) -> Vec<Value> {
    if resource.info.group.is_empty() && resource.info.kind == "Pod" { pods::row_conditions(object) } else { Vec::new() }
}

/// The function that computes a kind's cells.
fn by_kind(group: &str, kind: &str) -> Option<fn(&Value, At) -> Cells> {
    Some(match (group, kind) {
        ("", "Pod") => pods::pod,
        ("", "PodTemplate") => workloads::pod_template,
        ("", "ReplicationController") => workloads::replication_controller,
        ("apps", "ReplicaSet") => workloads::replica_set,
        ("apps", "Deployment") => workloads::deployment,
        ("apps", "StatefulSet") => workloads::stateful_set,
        ("apps", "DaemonSet") => workloads::daemon_set,
        ("apps", "ControllerRevision") => workloads::controller_revision,
        ("batch", "Job") => workloads::job,
        ("batch", "CronJob") => workloads::cron_job,
        ("", "Service") => networking::service,
        ("", "Endpoints") => discovery::endpoints,
        ("discovery.k8s.io", "EndpointSlice") => discovery::endpoint_slice,
        ("networking.k8s.io", "Ingress") => networking::ingress,
        ("networking.k8s.io", "IngressClass") => networking::ingress_class,
        ("networking.k8s.io", "NetworkPolicy") => networking::network_policy,
        ("networking.k8s.io", "IPAddress") => networking::ip_address,
        ("networking.k8s.io", "ServiceCIDR") => networking::service_cidr,
        ("", "Node") => core::node,
        ("", "Namespace") => core::namespace,
        ("", "ConfigMap") => core::config_map,
        ("", "Secret") => core::secret,
        ("", "ComponentStatus") => core::component_status,
        ("coordination.k8s.io", "Lease") => core::lease,
        ("node.k8s.io", "RuntimeClass") => core::runtime_class,
        ("scheduling.k8s.io", "PriorityClass") => core::priority_class,
        ("apiregistration.k8s.io", "APIService") => core::api_service,
        ("certificates.k8s.io", "CertificateSigningRequest") => core::signing_request,
        ("" | "events.k8s.io", "Event") => events::event,
        ("", "PersistentVolume") => storage::volume,
        ("", "PersistentVolumeClaim") => storage::claim,
        ("storage.k8s.io", "StorageClass") => storage::class,
        ("storage.k8s.io", "CSINode") => storage::csi_node,
        ("storage.k8s.io", "CSIDriver") => storage::csi_driver,
        ("storage.k8s.io", "VolumeAttachment") => storage::attachment,
        ("storage.k8s.io", "VolumeAttributesClass") => storage::attributes_class,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => rbac::binding,
        ("policy", "PodDisruptionBudget") => policy::disruption_budget,
        ("", "ResourceQuota") => policy::quota,
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => policy::flow_schema,
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => policy::priority_level,
        ("resource.k8s.io", "ResourceClaim") => policy::resource_claim,
        ("resource.k8s.io", "ResourceSlice") => policy::resource_slice,
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaling::autoscaler,
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => admission::webhooks,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy") => admission::policy,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding") => admission::binding,
        _ => return None,
    })
}
