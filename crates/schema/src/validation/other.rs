//! Rules for leases, priority classes, disruption budgets, autoscalers and storage classes.

use comity_core::{Value, names, object};
use serde_json::json;

use super::report::{Report, has, shown, text};

/// The highest priority that is not reserved for the system.
const HIGHEST: i64 = 1_000_000_000;

pub(super) fn lease(report: &mut Report, v: &Value) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    if let Some(seconds) = spec.get("leaseDurationSeconds").and_then(Value::as_i64).filter(|s| *s <= 0) {
        report.invalid("spec.leaseDurationSeconds", &seconds.into(), "must be greater than 0");
    }
    report.nonnegative(spec, "spec", "leaseTransitions");
    if !text(spec, "preferredHolder").is_empty() && text(spec, "strategy").is_empty() {
        report.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined");
    }
}

pub(super) fn priority_class(report: &mut Report, v: &Value, old: Option<&Value>) {
    let value = v.get("value").and_then(Value::as_i64).unwrap_or(0);
    if let Some(old) = old {
        if value != old.get("value").and_then(Value::as_i64).unwrap_or(0) {
            report.forbidden("value", "may not be changed in an update.");
        }
        report.immutable(v, old, "", "preemptionPolicy");
        return;
    }
    let name = object::name(v);
    let known = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
    if name.starts_with("system-") {
        let error = match known.iter().find(|(n, _)| *n == name) {
            None => Some(format!("{name} is not a known system priority class")),
            Some((_, right)) if *right != value => Some(format!("value of {name} PriorityClass must be {right}")),
            Some(_) => None,
        };
        if let Some(error) = error {
            let why = format!("priority class names with 'system-' prefix are reserved for system use only. error: {error}");
            report.forbidden("metadata.name", &why);
        }
    } else if value > HIGHEST {
        report.forbidden("value", &format!("maximum allowed value of a user defined priority is {HIGHEST}"));
    }
    report.optional_one_of("preemptionPolicy", text(v, "preemptionPolicy"), &["PreemptLowerPriority", "Never"]);
}

pub(super) fn disruption_budget(report: &mut Report, v: &Value) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    if has(spec, "minAvailable") && has(spec, "maxUnavailable") {
        let printed = json!({"MinAvailable": spec["minAvailable"], "Selector": shown(spec, "selector"),
            "MaxUnavailable": spec["maxUnavailable"], "UnhealthyPodEvictionPolicy": shown(spec, "unhealthyPodEvictionPolicy")});
        report.invalid("spec", &printed, "minAvailable and maxUnavailable cannot be both set");
    }
    for key in ["minAvailable", "maxUnavailable"] {
        let path = format!("spec.{key}");
        report.int_or_percent(&path, spec.get(key));
        report.at_most_all(&path, spec.get(key));
    }
    report.selector(spec.get("selector"), "spec.selector");
    let policy = text(spec, "unhealthyPodEvictionPolicy");
    report.optional_one_of("spec.unhealthyPodEvictionPolicy", policy, &["AlwaysAllow", "IfHealthyBudget"]);
}

pub(super) fn autoscaler(report: &mut Report, v: &Value) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    let number = |key: &str| spec.get(key).and_then(Value::as_i64);
    if let Some(min) = number("minReplicas").filter(|m| *m < 1) {
        report.invalid("spec.minReplicas", &min.into(), "must be greater than or equal to 1");
    }
    let max = number("maxReplicas").unwrap_or(0);
    if max < 1 {
        report.required("spec.maxReplicas", "must be set and greater than 0");
    }
    if number("minReplicas").is_some_and(|min| max < min) {
        report.invalid("spec.maxReplicas", &max.into(), "must be greater than or equal to `minReplicas`");
    }
    let target = spec.get("scaleTargetRef").unwrap_or(&Value::Null);
    for key in ["kind", "name"] {
        let (path, value) = (format!("spec.scaleTargetRef.{key}"), text(target, key));
        if value.is_empty() {
            report.required(path, "");
        } else {
            report.broken(&path, value, names::path_segment(value));
        }
    }
    let version = text(target, "apiVersion");
    if !version.contains('/') && version != "v1" {
        report.invalid("spec.scaleTargetRef.apiVersion", &version.into(), "apiVersion must specify API group");
    }
}

pub(super) fn storage_class(report: &mut Report, v: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        for key in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            if !super::report::same(v.get(key), old.get(key)) {
                report.forbidden(key, &format!("updates to {key} are forbidden."));
            }
        }
        return;
    }
    let provisioner = text(v, "provisioner");
    if provisioner.is_empty() {
        report.required("provisioner", "");
    } else {
        let lower = provisioner.to_lowercase();
        report.broken("provisioner", provisioner, names::qualified_name(&lower));
    }
    report.optional_one_of("reclaimPolicy", text(v, "reclaimPolicy"), &["Delete", "Retain"]);
    report.one_of("volumeBindingMode", text(v, "volumeBindingMode"), &["Immediate", "WaitForFirstConsumer"]);
}
