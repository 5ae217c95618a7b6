//! HorizontalPodAutoscalers: `autoscaling/v1` shows one CPU target of what `autoscaling/v2` says in full.

use comity_core::{
    Map, Value, json,
    object::{at, items_at, remove, set},
};

/// Where v1 keeps what it cannot say, so that nothing is lost on the way back.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";

/// From `autoscaling/v2` to `autoscaling/v1`.
pub fn to_v1(object: &mut Value) {
    let metrics = items_at(object, &["spec", "metrics"]).to_vec();
    let cpu = metrics.iter().find(|m| is_cpu_utilization(m)).and_then(|m| at(m, &["resource", "target", "averageUtilization"])).cloned();
    let others: Vec<Value> = metrics.into_iter().filter(|m| !is_cpu_utilization(m)).collect();
    remove(object, &["spec", "metrics"]);
    if let Some(cpu) = cpu {
        set(object, &["spec", "targetCPUUtilizationPercentage"], cpu);
    }
    keep(object, METRICS, (!others.is_empty()).then_some(Value::Array(others)));
    let behavior = remove(object, &["spec", "behavior"]);
    keep(object, BEHAVIOR, behavior);
    let conditions = remove(object, &["status", "conditions"]);
    keep(object, CONDITIONS, conditions);
    if let Some(current) = remove(object, &["status", "currentMetrics"]).filter(|v| !v.is_null()) {
        let cpu = current.as_array().into_iter().flatten().find(|m| at(m, &["resource", "name"]) == Some(&json!("cpu")));
        if let Some(now) = cpu.and_then(|m| at(m, &["resource", "current", "averageUtilization"])).cloned() {
            set(object, &["status", "currentCPUUtilizationPercentage"], now);
        }
        keep(object, CURRENT, Some(current));
    }
}

/// From `autoscaling/v1` to `autoscaling/v2`.
pub fn to_v2(object: &mut Value) {
    let mut metrics = taken(object, METRICS).and_then(|v| v.as_array().cloned()).unwrap_or_default();
    if let Some(cpu) = remove(object, &["spec", "targetCPUUtilizationPercentage"]) {
        let target = json!({"type": "Utilization", "averageUtilization": cpu});
        metrics.insert(0, json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
    }
    if !metrics.is_empty() {
        set(object, &["spec", "metrics"], Value::Array(metrics));
    }
    if let Some(behavior) = taken(object, BEHAVIOR) {
        set(object, &["spec", "behavior"], behavior);
    }
    if let Some(conditions) = taken(object, CONDITIONS) {
        set(object, &["status", "conditions"], conditions);
    }
    remove(object, &["status", "currentCPUUtilizationPercentage"]);
    if let Some(current) = taken(object, CURRENT) {
        set(object, &["status", "currentMetrics"], current);
    }
}

fn is_cpu_utilization(metric: &Value) -> bool {
    at(metric, &["resource", "name"]) == Some(&json!("cpu")) && at(metric, &["resource", "target", "averageUtilization"]).is_some()
}

fn keep(object: &mut Value, annotation: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|v| !v.is_null()) {
        set(object, &["metadata", "annotations", annotation], value.to_string().into());
    }
}

fn taken(object: &mut Value, annotation: &str) -> Option<Value> {
    let text = remove(object, &["metadata", "annotations", annotation])?;
    if at(object, &["metadata", "annotations"]).and_then(Value::as_object).is_some_and(Map::is_empty) {
        remove(object, &["metadata", "annotations"]);
    }
    serde_json::from_str(text.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_through_the_older_version() {
        let new = json!({"metadata":{"name":"h"},"spec":{"maxReplicas":3,"metrics":[
            {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":70}}},
            {"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"1Gi"}}}],
            "behavior":{"scaleDown":{"policies":[]}}}});
        let mut object = new.clone();
        to_v1(&mut object);
        assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], json!(70));
        to_v2(&mut object);
        assert_eq!(object, new);
    }
}
