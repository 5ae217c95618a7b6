//! Validation with the API's texts: metadata of every kind, and the rules of built-in kinds.

mod batch;
mod config;
mod container;
mod cron;
mod endpoints;
mod generic;
mod metadata;
mod networking;
mod other;
mod pod;
mod rbac;
mod report;
mod service;
mod storage;
mod webhooks;
mod workloads;

use comity_core::{FieldError, GroupVersionKind, Value, object};

pub use metadata::{NameRule, metadata, metadata_update};
use report::Report;

use crate::{crd, schema::Schema};

/// Structural rules of custom kinds; built-ins have none of this sort.
pub(crate) fn structural(schema: &Schema, v: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(check) = &schema.check else { return Vec::new() };
    let mut errors = check.errors(v, old);
    errors.extend(crd::embedded(schema.root(), v));
    // Lists that were not unique before may stay so.
    if old.is_none_or(|old| crd::list_uniqueness(schema.root(), old).is_empty()) {
        errors.extend(crd::list_uniqueness(schema.root(), v));
    }
    errors
}

/// The rules of a built-in kind beyond `metadata`, for an object that is created, or that replaces an old one.
///
/// The object has its defaults. Kinds without rules of their own are held only to the values that
/// their description lists; definitions have [`crate::crd::validate_definition`].
pub fn builtin(kind: &GroupVersionKind, v: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Report::default();
    let report = &mut errors;
    if old.is_none() && !matches!(kind.group.as_str(), "apiextensions.k8s.io" | "apiregistration.k8s.io") {
        finalizers(report, v);
    }
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => {
            pod::metadata_and_spec(report, v);
            if let Some(old) = old {
                pod::update(report, v, old);
            }
        }
        ("", "PodTemplate") => pod::template(report, v.get("template").unwrap_or(&Value::Null), "template"),
        ("", "ReplicationController") => workloads::replication_controller(report, v),
        ("", "Service") => service::service(report, v, old),
        ("", "ConfigMap") => config::config_map(report, v, old),
        ("", "Secret") => config::secret(report, v, old),
        ("", "Namespace") => config::namespace(report, v),
        ("", "PersistentVolumeClaim") => config::claim(report, v, old),
        ("", "LimitRange") => config::limits(report, v),
        ("", "ResourceQuota") => config::quota(report, v),
        ("apps", "Deployment") => workloads::deployment(report, v, old),
        ("apps", "ReplicaSet") => workloads::replica_set(report, v, old),
        ("apps", "StatefulSet") => workloads::stateful_set(report, v, old),
        ("apps", "DaemonSet") => workloads::daemon_set(report, v, old),
        ("batch", "Job") => batch::job(report, v, old),
        ("batch", "CronJob") => batch::cron_job(report, v, old),
        ("rbac.authorization.k8s.io", "Role") => rbac::role(report, v, true),
        ("rbac.authorization.k8s.io", "ClusterRole") => rbac::role(report, v, false),
        ("rbac.authorization.k8s.io", "RoleBinding") => rbac::binding(report, v, old, true),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => rbac::binding(report, v, old, false),
        ("networking.k8s.io", "Ingress") => networking::ingress(report, v),
        ("networking.k8s.io", "NetworkPolicy") => networking::policy(report, v),
        ("coordination.k8s.io", "Lease") => other::lease(report, v),
        ("scheduling.k8s.io", "PriorityClass") => other::priority_class(report, v, old),
        ("policy", "PodDisruptionBudget") => other::disruption_budget(report, v),
        ("autoscaling", "HorizontalPodAutoscaler") => other::autoscaler(report, v),
        ("storage.k8s.io", "StorageClass") => storage::class(report, v, old),
        ("", "PersistentVolume") => storage::volume(report, v, old),
        ("", "Endpoints") => endpoints::endpoints(report, v),
        ("discovery.k8s.io", "EndpointSlice") => endpoints::slice(report, v, old),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => {
            webhooks::configuration(report, v)
        }
        ("networking.k8s.io", "IngressClass") => other::ingress_class(report, v, old),
        ("node.k8s.io", "RuntimeClass") => other::runtime_class(report, v, old),
        ("apiregistration.k8s.io", "APIService") => other::api_service(report, v),
        ("", "Event") => other::event(report, v),
        ("", "Node") => other::node(report, v),
        ("apiextensions.k8s.io", _) => {}
        _ => generic::enumerations(report, kind, v),
    }
    errors.errors
}

/// Built-in kinds take only finalizers that are standard or name their owner.
fn finalizers(report: &mut Report, v: &Value) {
    for (index, name) in object::finalizers(v).enumerate() {
        if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            report.invalid(format!("metadata.finalizers[{index}]"), &name.into(), why);
        }
    }
}
