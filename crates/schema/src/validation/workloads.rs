//! Rules for Deployments, ReplicaSets, ReplicationControllers, StatefulSets and DaemonSets.

use comity_core::{FieldError, Value, names, object};
use serde_json::json;

use super::{
    pod,
    report::{Report, has, items, matches, same, shown, text},
};

const MISMATCH: &str = "`selector` does not match template `labels`";

fn template_labels(spec: &Value) -> Option<&comity_core::Map<String, Value>> {
    object::at(spec, &["template", "metadata", "labels"]).and_then(Value::as_object)
}

fn is_empty_selector(selector: &Value) -> bool {
    let empty = |key: &str| match selector.get(key) {
        Some(Value::Object(m)) => m.is_empty(),
        Some(Value::Array(a)) => a.is_empty(),
        _ => true,
    };
    empty("matchLabels") && empty("matchExpressions")
}

/// The selector itself; whether it can be used is told by [`matches`].
fn selector(report: &mut Report, spec: &Value, kind: &str, required: bool) {
    match spec.get("selector").filter(|s| s.is_object()) {
        None if required => report.required("spec.selector", ""),
        None => {}
        Some(selector) => {
            report.selector(Some(selector), "spec.selector");
            if is_empty_selector(selector) {
                report.invalid("spec.selector", selector, &format!("empty selector is invalid for {kind}"));
            }
        }
    }
}

/// A template whose pods a controller keeps running.
fn template(report: &mut Report, spec: &Value, kind: &str) {
    match matches(spec.get("selector"), template_labels(spec)) {
        None => return report.invalid("spec.selector", &shown(spec, "selector"), "invalid label selector"),
        Some(true) => {}
        Some(false) => mismatch(report, spec),
    }
    pod::template(report, spec.get("template").unwrap_or(&Value::Null), "spec.template");
    always(report, spec, kind);
}

fn mismatch(report: &mut Report, spec: &Value) {
    let labels = template_labels(spec).map_or(Value::Null, |l| Value::Object(l.clone()));
    report.invalid("spec.template.metadata.labels", &labels, MISMATCH);
}

fn always(report: &mut Report, spec: &Value, kind: &str) {
    let pod = object::at(spec, &["template", "spec"]).unwrap_or(&Value::Null);
    let policy = text(pod, "restartPolicy");
    // Without a template the policy is empty and not refused twice.
    if policy != "Always" && !policy.is_empty() {
        report.errors.push(FieldError::not_supported("spec.template.spec.restartPolicy", &policy.into(), &["Always"]));
    }
    if has(pod, "activeDeadlineSeconds") {
        report.forbidden("spec.template.spec.activeDeadlineSeconds", &format!("activeDeadlineSeconds in {kind} is not Supported"));
    }
}

pub(super) fn deployment(report: &mut Report, v: &Value, old: Option<&Value>) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    report.nonnegative(spec, "spec", "replicas");
    selector(report, spec, "deployment", true);
    template(report, spec, "ReplicaSet");
    strategy(report, spec);
    report.nonnegative(spec, "spec", "minReadySeconds");
    report.nonnegative(spec, "spec", "revisionHistoryLimit");
    report.nonnegative(spec, "spec", "progressDeadlineSeconds");
    let seconds = |key: &str| spec.get(key).and_then(Value::as_i64);
    if let Some(deadline) = seconds("progressDeadlineSeconds").filter(|d| *d <= seconds("minReadySeconds").unwrap_or(0)) {
        report.invalid("spec.progressDeadlineSeconds", &deadline.into(), "must be greater than minReadySeconds");
    }
    fixed_selector(report, spec, old);
}

fn fixed_selector(report: &mut Report, spec: &Value, old: Option<&Value>) {
    if let Some(before) = old.and_then(|o| o.get("spec")) {
        report.immutable(spec, before, "spec", "selector");
    }
}

fn strategy(report: &mut Report, spec: &Value) {
    let Some(strategy) = spec.get("strategy") else { return };
    let update = strategy.get("rollingUpdate").filter(|u| !u.is_null());
    match (text(strategy, "type"), update) {
        ("Recreate", Some(_)) => {
            report.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
        }
        ("Recreate", None) => {}
        ("RollingUpdate", Some(update)) => {
            let (unavailable, surge) = (update.get("maxUnavailable"), update.get("maxSurge"));
            let path = "spec.strategy.rollingUpdate.maxUnavailable";
            report.int_or_percent(path, unavailable);
            report.int_or_percent("spec.strategy.rollingUpdate.maxSurge", surge);
            if is_zero(unavailable) && is_zero(surge) {
                report.invalid(path, unavailable.unwrap_or(&Value::Null), "may not be 0 when `maxSurge` is 0");
            }
            report.at_most_all(path, unavailable);
        }
        ("RollingUpdate", None) => report.required("spec.strategy.rollingUpdate", "this should be defaulted and never be nil"),
        (kind, update) => {
            let value = json!({"Type": kind, "RollingUpdate": update});
            report.errors.push(FieldError::not_supported("spec.strategy", &value, &["Recreate", "RollingUpdate"]));
        }
    }
}

fn is_zero(v: Option<&Value>) -> bool {
    match v {
        Some(Value::String(s)) => s.trim_end_matches('%').parse() == Ok(0),
        other => other.and_then(Value::as_i64).unwrap_or(0) == 0,
    }
}

pub(super) fn replica_set(report: &mut Report, v: &Value, old: Option<&Value>) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    report.nonnegative(spec, "spec", "replicas");
    report.nonnegative(spec, "spec", "minReadySeconds");
    selector(report, spec, "replicaset", true);
    template(report, spec, "ReplicaSet");
    fixed_selector(report, spec, old);
}

pub(super) fn replication_controller(report: &mut Report, v: &Value) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    report.nonnegative(spec, "spec", "minReadySeconds");
    let selector = spec.get("selector").and_then(Value::as_object).filter(|s| !s.is_empty());
    if selector.is_none() {
        report.required("spec.selector", "");
    }
    report.nonnegative(spec, "spec", "replicas");
    if !has(spec, "template") {
        return report.required("spec.template", "");
    }
    let labels = template_labels(spec);
    if selector.is_some_and(|s| !s.iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v))) {
        mismatch(report, spec);
    }
    pod::template(report, &spec["template"], "spec.template");
    always(report, spec, "ReplicationController");
}

pub(super) fn stateful_set(report: &mut Report, v: &Value, old: Option<&Value>) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    match text(spec, "podManagementPolicy") {
        "" => report.required("spec.podManagementPolicy", ""),
        "OrderedReady" | "Parallel" => {}
        other => report.invalid("spec.podManagementPolicy", &other.into(), "must be 'OrderedReady' or 'Parallel'"),
    }
    stateful_strategy(report, spec);
    for key in ["replicas", "minReadySeconds"] {
        report.nonnegative(spec, "spec", key);
    }
    if let Some(ordinals) = spec.get("ordinals") {
        report.nonnegative(ordinals, "spec.ordinals", "start");
    }
    let service = text(spec, "serviceName");
    if old.is_none() && !service.is_empty() {
        report.broken("spec.serviceName", service, names::dns1123_label(service));
    }
    selector(report, spec, "statefulset", true);
    match matches(spec.get("selector"), template_labels(spec)) {
        None => report.invalid("spec.selector", &shown(spec, "selector"), ""),
        Some(fits) => {
            if !fits {
                mismatch(report, spec);
            }
            // Claims of the set are volumes of its pods.
            let mut template = spec.get("template").cloned().unwrap_or_default();
            with_claims(&mut template, items(spec, "volumeClaimTemplates"));
            pod::template(report, &template, "spec.template");
        }
    }
    always(report, spec, "StatefulSet");
    if let Some(before) = old.and_then(|o| o.get("spec")) {
        let free = [
            "replicas",
            "template",
            "updateStrategy",
            "minReadySeconds",
            "ordinals",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
        ];
        let keys = spec.as_object().into_iter().chain(before.as_object()).flat_map(|m| m.keys());
        let mut fixed = keys.filter(|k| !free.contains(&k.as_str()));
        if !fixed.all(|k| k == "volumeClaimTemplates" || same(spec.get(k), before.get(k))) || !same_claims(spec, before) {
            report.forbidden(
                "spec",
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            );
        }
    }
}

/// Claim templates without their status, which the server writes.
fn same_claims(spec: &Value, before: &Value) -> bool {
    let plain = |v: &Value| -> Vec<(Value, Value)> {
        items(v, "volumeClaimTemplates").iter().map(|c| (shown(c, "metadata"), shown(c, "spec"))).collect()
    };
    plain(spec) == plain(before)
}

fn with_claims(template: &mut Value, claims: &[Value]) {
    if claims.is_empty() {
        return;
    }
    let mut volumes: Vec<Value> =
        claims.iter().map(|c| json!({"name": object::name(c), "persistentVolumeClaim": {"claimName": object::name(c)}})).collect();
    let own = object::items_at(template, &["spec", "volumes"]).iter();
    let own: Vec<Value> = own.filter(|v| !volumes.iter().any(|c| text(c, "name") == text(v, "name"))).cloned().collect();
    volumes.extend(own);
    object::set(template, &["spec", "volumes"], Value::Array(volumes));
}

fn stateful_strategy(report: &mut Report, spec: &Value) {
    let Some(strategy) = spec.get("updateStrategy") else { return };
    let update = strategy.get("rollingUpdate").filter(|u| !u.is_null());
    match (text(strategy, "type"), update) {
        ("", _) => report.required("spec.updateStrategy", ""),
        ("OnDelete", Some(update)) => {
            report.invalid("spec.updateStrategy.rollingUpdate", update, "only allowed for updateStrategy 'RollingUpdate'");
        }
        ("RollingUpdate", Some(update)) => {
            report.nonnegative(update, "spec.updateStrategy.rollingUpdate", "partition");
            report.int_or_percent("spec.updateStrategy.rollingUpdate.maxUnavailable", update.get("maxUnavailable"));
        }
        ("OnDelete" | "RollingUpdate", None) => {}
        _ => report.invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'"),
    }
}

pub(super) fn daemon_set(report: &mut Report, v: &Value, old: Option<&Value>) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    fixed_selector(report, spec, old);
    report.selector(spec.get("selector"), "spec.selector");
    if matches(spec.get("selector"), template_labels(spec)) == Some(false) {
        mismatch(report, spec);
    }
    if spec.get("selector").is_some_and(|s| s.is_object() && is_empty_selector(s)) {
        report.invalid("spec.selector", &shown(spec, "selector"), "empty selector is invalid for daemonset");
    }
    pod::template(report, spec.get("template").unwrap_or(&Value::Null), "spec.template");
    always(report, spec, "DaemonSet");
    report.nonnegative(spec, "spec", "minReadySeconds");
    let strategy = spec.get("updateStrategy").unwrap_or(&Value::Null);
    let path = "spec.updateStrategy.rollingUpdate";
    match (text(strategy, "type"), strategy.get("rollingUpdate").filter(|u| !u.is_null())) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => report.required(path, ""),
        ("RollingUpdate", Some(update)) => {
            for key in ["maxUnavailable", "maxSurge"] {
                let at = format!("{path}.{key}");
                report.int_or_percent(&at, update.get(key));
                report.at_most_all(&at, update.get(key));
            }
            let (unavailable, surge) = (update.get("maxUnavailable"), update.get("maxSurge"));
            match (is_zero(unavailable), is_zero(surge)) {
                (false, false) => report.invalid(
                    format!("{path}.maxSurge"),
                    surge.unwrap_or(&Value::Null),
                    "may not be set when maxUnavailable is non-zero",
                ),
                (true, true) => report.required(format!("{path}.maxUnavailable"), "cannot be 0 when maxSurge is 0"),
                _ => {}
            }
        }
        (kind, update) => {
            let value = json!({"Type": kind, "RollingUpdate": update});
            report.errors.push(FieldError::not_supported("spec.updateStrategy", &value, &["RollingUpdate", "OnDelete"]));
        }
    }
    report.nonnegative(spec, "spec", "revisionHistoryLimit");
}
