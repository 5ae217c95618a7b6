//! Rules for kinds that need few: leases, priority, ingress and runtime classes, disruption budgets, autoscalers, events, nodes.

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

pub(super) fn ingress_class(report: &mut Report, v: &Value, old: Option<&Value>) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    if let Some(before) = old.and_then(|o| o.get("spec")) {
        report.immutable(spec, before, "spec", "controller");
    }
    let controller = text(spec, "controller");
    let path = "spec.controller";
    let prefixed = controller.split_once('/').is_some_and(|(domain, rest)| names::dns1123_subdomain(domain).is_empty() && !rest.is_empty());
    if controller.is_empty() {
        report.required(path, "");
    } else if !prefixed {
        report.invalid(path, &controller.into(), "must be a domain-prefixed path (such as \"acme.io/foo\")");
    } else if controller.len() > 250 {
        report.errors.push(comity_core::FieldError::too_long(path, 250));
    }
}

pub(super) fn runtime_class(report: &mut Report, v: &Value, old: Option<&Value>) {
    let handler = text(v, "handler");
    if handler.is_empty() {
        report.required("handler", "");
    } else {
        report.broken("handler", handler, names::dns1123_label(handler));
    }
    if let Some(old) = old {
        report.immutable(v, old, "", "handler");
    }
}

pub(super) fn api_service(report: &mut Report, v: &Value) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    let wanted = format!("{}.{}", text(spec, "version"), text(spec, "group"));
    if object::name(v) != wanted {
        let why = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        report.invalid("metadata.name", &object::name(v).into(), &why);
    }
    for (key, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let number = spec.get(key).and_then(Value::as_i64).unwrap_or(0);
        if !(1..=most).contains(&number) {
            report.invalid(format!("spec.{key}"), &number.into(), &format!("must be positive and less than {most}"));
        }
    }
}

/// An event lives where the object it is about lives; events of cluster-scoped objects live in `default`.
pub(super) fn event(report: &mut Report, v: &Value) {
    let (own, about) = (object::namespace(v), object::str_at(v, &["involvedObject", "namespace"]));
    let fits = if about.is_empty() { matches!(own, "" | "default" | "kube-system") } else { own == about };
    if !fits {
        report.invalid("involvedObject.namespace", &about.into(), "does not match event.namespace");
    }
}

pub(super) fn node(report: &mut Report, v: &Value) {
    let mut taken: Vec<(&str, &str)> = Vec::new();
    for (index, taint) in object::items_at(v, &["spec", "taints"]).iter().enumerate() {
        let at = format!("metadata.taints[{index}]");
        let (key, effect) = (text(taint, "key"), text(taint, "effect"));
        report.broken(&format!("{at}.key"), key, names::qualified_name(key));
        report.broken(&format!("{at}.value"), text(taint, "value"), names::label_value(text(taint, "value")));
        report.one_of(format!("{at}.effect"), effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        if taken.contains(&(key, effect)) {
            let printed = json!({"Key": key, "Value": text(taint, "value"), "Effect": effect, "TimeAdded": shown(taint, "timeAdded")});
            let mut error = comity_core::FieldError::duplicate(at, &printed);
            error.detail.push_str(": taints must be unique by key and effect pair");
            report.errors.push(error);
        }
        taken.push((key, effect));
    }
}
