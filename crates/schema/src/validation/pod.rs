//! Rules for pods and pod templates.

use comity_core::{FieldError, Value, names};

use super::{
    container::{self, Pod},
    report::{Report, has, items, same, text},
};

const UPDATE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// A pod template at a path: its labels, annotations and spec.
pub(super) fn template(report: &mut Report, template: &Value, path: &str) {
    let metadata = template.get("metadata");
    report.labels(metadata.and_then(|m| m.get("labels")).and_then(Value::as_object), &format!("{path}.labels"));
    report.annotations(metadata.and_then(|m| m.get("annotations")).and_then(Value::as_object), &format!("{path}.annotations"));
    spec(report, template.get("spec").unwrap_or(&Value::Null), &format!("{path}.spec"));
}

/// A pod itself; its metadata is checked with every kind's.
pub(super) fn metadata_and_spec(report: &mut Report, v: &Value) {
    spec(report, v.get("spec").unwrap_or(&Value::Null), "spec");
}

/// A pod's spec.
pub(super) fn spec(report: &mut Report, spec: &Value, path: &str) {
    let volumes = volumes(report, spec, &format!("{path}.volumes"));
    let pod = Pod { volumes };
    let containers = items(spec, "containers");
    if containers.is_empty() {
        report.required(format!("{path}.containers"), "");
    }
    container::all(report, &pod, containers, &[], container::Sort::Regular, &format!("{path}.containers"));
    container::all(report, &pod, items(spec, "initContainers"), containers, container::Sort::Init, &format!("{path}.initContainers"));
    report.one_of(format!("{path}.restartPolicy"), text(spec, "restartPolicy"), &["Always", "OnFailure", "Never"]);
    report.one_of(format!("{path}.dnsPolicy"), text(spec, "dnsPolicy"), &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]);
    report.labels(spec.get("nodeSelector").and_then(Value::as_object), &format!("{path}.nodeSelector"));
    for key in ["serviceAccountName", "nodeName"] {
        let name = text(spec, key);
        if !name.is_empty() {
            report.broken(&format!("{path}.{key}"), name, names::dns1123_subdomain(name));
        }
    }
    if let Some(seconds) = spec.get("activeDeadlineSeconds").and_then(Value::as_i64)
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        report.invalid(format!("{path}.activeDeadlineSeconds"), &seconds.into(), "must be between 1 and 2147483647, inclusive");
    }
    for key in ["hostname", "subdomain"] {
        let name = text(spec, key);
        if !name.is_empty() {
            report.broken(&format!("{path}.{key}"), name, names::dns1123_label(name));
        }
    }
    tolerations(report, spec, &format!("{path}.tolerations"));
    let class = text(spec, "priorityClassName");
    if !class.is_empty() {
        report.broken(&format!("{path}.priorityClassName"), class, names::dns1123_subdomain(class));
    }
    report.optional_one_of(format!("{path}.preemptionPolicy"), text(spec, "preemptionPolicy"), &["PreemptLowerPriority", "Never"]);
}

/// Checks the volumes and returns the names that containers may use.
fn volumes<'a>(report: &mut Report, spec: &'a Value, path: &str) -> Vec<&'a str> {
    let mut good = Vec::new();
    for (index, volume) in items(spec, "volumes").iter().enumerate() {
        let (at, before) = (format!("{path}[{index}]"), report.errors.len());
        source(report, volume, &at);
        let name = text(volume, "name");
        if name.is_empty() {
            report.required(format!("{at}.name"), "");
        } else {
            report.broken(&format!("{at}.name"), name, names::dns1123_label(name));
        }
        if good.contains(&name) {
            report.errors.push(FieldError::duplicate(format!("{at}.name"), &name.into()));
        }
        if report.errors.len() == before {
            good.push(name);
        }
    }
    good
}

/// A volume has one source, and the source names what it needs.
fn source(report: &mut Report, volume: &Value, path: &str) {
    let needs =
        [("configMap", "name"), ("secret", "secretName"), ("persistentVolumeClaim", "claimName"), ("hostPath", "path"), ("csi", "driver")];
    let mut sources: Vec<&str> =
        volume.as_object().into_iter().flatten().filter(|(k, v)| *k != "name" && !v.is_null()).map(|(k, _)| k.as_str()).collect();
    // `emptyDir` is looked at first; then the first source in the type's order counts, and every further one is too many.
    sources.sort_by_key(|k| *k != "emptyDir");
    let mut seen = false;
    for key in sources {
        if seen {
            report.forbidden(format!("{path}.{key}"), "may not specify more than 1 volume type");
            continue;
        }
        seen = true;
        if let Some((_, needed)) = needs.iter().find(|(k, _)| *k == key)
            && text(&volume[key], needed).is_empty()
        {
            report.required(format!("{path}.{key}.{needed}"), "");
        }
    }
    if !seen {
        report.required(path, "must specify a volume type");
    }
}

fn tolerations(report: &mut Report, spec: &Value, path: &str) {
    for (index, toleration) in items(spec, "tolerations").iter().enumerate() {
        let at = format!("{path}[{index}]");
        let (key, operator, effect) = (text(toleration, "key"), text(toleration, "operator"), text(toleration, "effect"));
        if !key.is_empty() {
            report.broken(&format!("{at}.key"), key, names::qualified_name(key));
        }
        if key.is_empty() && operator != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            report.invalid(format!("{at}.operator"), &operator.into(), why);
        }
        if has(toleration, "tolerationSeconds") && effect != "NoExecute" {
            report.invalid(format!("{at}.effect"), &effect.into(), "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        let value = text(toleration, "value");
        match operator {
            "" | "Equal" => report.broken(&format!("{at}.operator"), value, names::label_value(value)),
            "Exists" if !value.is_empty() => {
                report.invalid(format!("{at}.operator"), toleration, "value must be empty when `operator` is 'Exists'");
            }
            other => report.optional_one_of(format!("{at}.operator"), other, &["Equal", "Exists"]),
        }
        report.optional_one_of(format!("{at}.effect"), effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}

/// What may change in a pod that exists.
pub(super) fn update(report: &mut Report, v: &Value, old: &Value) {
    let (null, mut changed) = (Value::Null, v.get("spec").cloned().unwrap_or_default());
    let before = old.get("spec").unwrap_or(&null);
    for list in ["containers", "initContainers"] {
        let (own, theirs) = (items(&changed, list).len(), items(before, list).len());
        if own != theirs {
            report.forbidden(format!("spec.{list}"), "pod updates may not add or remove containers");
            return;
        }
        let images: Vec<Value> = items(before, list).iter().map(|c| c.get("image").cloned().unwrap_or_default()).collect();
        for (container, image) in changed.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().zip(images) {
            container["image"] = image;
        }
    }
    if !deadline(report, &changed, before) {
        return;
    }
    added_only(report, &changed, before);
    for key in ["activeDeadlineSeconds", "tolerations"] {
        keep(&mut changed, before, key);
    }
    removed_gates(report, &changed, before);
    keep(&mut changed, before, "schedulingGates");
    let grace = |v: &Value| v.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
    if grace(before).is_some_and(|g| g < 0) && grace(&changed) == Some(1) {
        keep(&mut changed, before, "terminationGracePeriodSeconds");
    }
    if !same(Some(&changed), Some(before)) {
        report.forbidden("spec", UPDATE);
    }
}

fn keep(changed: &mut Value, before: &Value, key: &str) {
    let Some(map) = changed.as_object_mut() else { return };
    match before.get(key) {
        Some(value) => map.insert(key.to_owned(), value.clone()),
        None => map.shift_remove(key),
    };
}

fn deadline(report: &mut Report, changed: &Value, before: &Value) -> bool {
    let path = "spec.activeDeadlineSeconds";
    let of = |v: &Value| v.get("activeDeadlineSeconds").and_then(Value::as_i64);
    match (of(changed), of(before)) {
        (Some(new), Some(old)) if old < new => {
            report.invalid(path, &new.into(), "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            report.invalid(path, &Value::Null, "must not update from a positive integer to nil value");
            true
        }
        _ => true,
    }
}

fn added_only(report: &mut Report, changed: &Value, before: &Value) {
    let plain = |t: &Value| {
        let mut t = t.clone();
        if let Some(map) = t.as_object_mut() {
            map.shift_remove("tolerationSeconds");
        }
        t
    };
    let now: Vec<Value> = items(changed, "tolerations").iter().map(plain).collect();
    if items(before, "tolerations").iter().any(|t| !now.contains(&plain(t))) {
        report.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
    }
}

fn removed_gates(report: &mut Report, changed: &Value, before: &Value) {
    let old = items(before, "schedulingGates");
    for (index, gate) in items(changed, "schedulingGates").iter().enumerate().filter(|(_, g)| !old.contains(g)) {
        let why = format!("only deletion is allowed, but found new scheduling gate '{}'", text(gate, "name"));
        report.forbidden(format!("spec.schedulingGates[{index}]"), &why);
    }
}
