//! Rules of workload kinds and their scaling.

use comity_core::{Map, Value};
use serde_json::json;

use super::{
    Rule,
    core::labels_if_none,
    get::{is_empty, items, object, or_insert, text},
};

pub(super) fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        "apps.v1.DeploymentStrategy" => deployment_strategy,
        "apps.v1.DaemonSetUpdateStrategy" => daemon_set_strategy,
        "apps.v1.StatefulSetUpdateStrategy" => stateful_set_strategy,
        "apps.v1.StatefulSetSpec" => claim_templates,
        "batch.v1.Job" => job,
        "autoscaling.v2.HorizontalPodAutoscalerSpec" => autoscaler,
        _ => return None,
    })
}

fn rolling(map: &mut Map<String, Value>, unavailable: Value, surge: Value) {
    if text(map, "type") != "RollingUpdate" {
        return;
    }
    or_insert(map, "rollingUpdate", Value::Object(Map::new()));
    if let Some(update) = object(map, "rollingUpdate") {
        or_insert(update, "maxUnavailable", unavailable);
        or_insert(update, "maxSurge", surge);
    }
}

fn deployment_strategy(map: &mut Map<String, Value>) {
    rolling(map, "25%".into(), "25%".into());
}

fn daemon_set_strategy(map: &mut Map<String, Value>) {
    rolling(map, 1.into(), 0.into());
}

fn stateful_set_strategy(map: &mut Map<String, Value>) {
    if is_empty(map, "type") {
        map.insert("type".to_owned(), "RollingUpdate".into());
        or_insert(map, "rollingUpdate", Value::Object(Map::new()));
    }
    if text(map, "type") == "RollingUpdate"
        && let Some(update) = object(map, "rollingUpdate")
    {
        or_insert(update, "partition", 0);
    }
}

/// Claim templates say what they are.
fn claim_templates(map: &mut Map<String, Value>) {
    for claim in items(map, "volumeClaimTemplates") {
        for (key, value) in [("apiVersion", "v1"), ("kind", "PersistentVolumeClaim")] {
            if is_empty(claim, key) {
                claim.insert(key.to_owned(), value.into());
            }
        }
    }
}

fn job(map: &mut Map<String, Value>) {
    or_insert(map, "spec", Value::Object(Map::new()));
    let Some(spec) = object(map, "spec") else { return };
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        or_insert(spec, "completions", 1);
    }
    or_insert(spec, "parallelism", 1);
    let limit = if spec.contains_key("backoffLimitPerIndex") { i64::from(i32::MAX) } else { 6 };
    or_insert(spec, "backoffLimit", limit);
    or_insert(spec, "completionMode", "NonIndexed");
    or_insert(spec, "suspend", false);
    let replacement = if spec.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    or_insert(spec, "podReplacementPolicy", replacement);
    or_insert(spec, "manualSelector", false);
    let labels = spec.get("template").and_then(|t| t.get("metadata")).and_then(|m| m.get("labels")).filter(|l| l.is_object()).cloned();
    if let Some(labels) = labels {
        labels_if_none(map, labels);
    }
}

fn autoscaler(map: &mut Map<String, Value>) {
    if is_empty(map, "metrics") {
        let cpu = json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]);
        map.insert("metrics".to_owned(), cpu);
    }
    let Some(behavior) = object(map, "behavior") else { return };
    let up = json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]});
    let down = json!({"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]});
    for (key, rules) in [("scaleUp", up), ("scaleDown", down)] {
        or_insert(behavior, key, Value::Object(Map::new()));
        if let (Some(target), Value::Object(rules)) = (object(behavior, key), rules) {
            for (name, value) in rules {
                or_insert(target, &name, value);
            }
        }
    }
}
