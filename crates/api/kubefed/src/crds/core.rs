//! Definitions of the group `core.kubefed.io`.

use comity_core::{Value, json};

use super::{Names, any_object, definition, fields, int64, list, text, time, whole};
use crate::keys::{CORE_GROUP, CORE_VERSION};

fn names<'a>(kind: &'a str, plural: &'a str, short: &'a [String]) -> Names<'a> {
    Names { group: CORE_GROUP, version: CORE_VERSION, kind, plural, short, namespaced: true }
}

pub(super) fn cluster() -> Value {
    let taint = json!({"key": text(), "value": text(), "effect": text(), "timeAdded": time()});
    let spec = json!({
        "apiEndpoint": text(),
        "caBundle": {"type": "string", "format": "byte"},
        "secretRef": fields(json!({"name": text()}), &["name"]),
        "disabledTLSValidations": list(text()),
        "proxyURL": text(),
        "mode": {"type": "string", "enum": ["", "Push", "Pull"]},
        "proxyHeader": {"type": "object", "additionalProperties": text()},
        "provider": text(),
        "region": text(),
        "zones": list(text()),
        "location": fields(json!({"latitude": text(), "longitude": text()}), &[]),
        "taints": list(fields(taint, &["key", "effect"])),
    });
    let condition = json!({
        "type": text(), "status": text(), "reason": text(), "message": text(), "lastProbeTime": time(), "lastTransitionTime": time(),
    });
    let status = json!({
        "conditions": list(fields(condition, &["type", "status", "lastProbeTime"])),
        "kubernetesVersion": text(),
        "region": text(),
        "zones": list(text()),
        "nodeSummary": any_object(),
        "resourceSummary": any_object(),
    });
    let schema = whole(fields(spec, &["apiEndpoint", "secretRef"]), Some(fields(status, &["conditions"])));
    let columns = [
        ("age", "date", ".metadata.creationTimestamp"),
        ("ready", "string", ".status.conditions[?(@.type=='Ready')].status"),
        ("kubernetes-version", "string", ".status.kubernetesVersion"),
    ];
    definition(&names("KubeFedCluster", "kubefedclusters", &["kfc".to_owned()]), schema, &columns, true)
}

pub(super) fn type_config() -> Value {
    let resource = || {
        let properties = json!({"group": text(), "kind": text(), "pluralName": text(), "scope": text(), "version": text()});
        fields(properties, &["kind", "pluralName", "scope", "version"])
    };
    let spec = json!({
        "federatedType": resource(), "propagation": text(), "statusCollection": text(), "statusType": resource(), "targetType": resource(),
    });
    let status = json!({"observedGeneration": int64(), "propagationController": text(), "statusController": text()});
    let schema = whole(
        fields(spec, &["federatedType", "propagation", "targetType"]),
        Some(fields(status, &["observedGeneration", "propagationController"])),
    );
    definition(&names("FederatedTypeConfig", "federatedtypeconfigs", &["ftc".to_owned()]), schema, &[], true)
}

pub(super) fn config() -> Value {
    let spec = json!({
        "scope": text(),
        "controllerDuration": fields(json!({"availableDelay": text(), "unavailableDelay": text(), "cacheSyncTimeout": text()}), &[]),
        "leaderElect": fields(json!({"leaseDuration": text(), "renewDeadline": text(), "retryPeriod": text(), "resourceLock": text()}), &[]),
        "featureGates": list(fields(json!({"name": text(), "configuration": text()}), &["configuration", "name"])),
        "clusterHealthCheck": fields(
            json!({"period": text(), "failureThreshold": int64(), "successThreshold": int64(), "timeout": text()}), &[]),
        "syncController": fields(json!({"maxConcurrentReconciles": int64(), "adoptResources": text()}), &[]),
        "statusController": fields(json!({"maxConcurrentReconciles": int64()}), &[]),
    });
    definition(&names("KubeFedConfig", "kubefedconfigs", &[]), whole(fields(spec, &["scope"]), None), &[], false)
}
