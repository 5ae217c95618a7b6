//! Rules for PersistentVolumes and storage classes.

use comity_core::{FieldError, Map, Value, names, quantity::Quantity};

use super::report::{Report, items, same, text};

/// Fields of a volume's spec that are no source.
const NOT_SOURCES: [&str; 9] = [
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
];

pub(super) fn volume(report: &mut Report, v: &Value, old: Option<&Value>) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    let modes = items(spec, "accessModes");
    if modes.is_empty() {
        report.required("spec.accessModes", "");
    }
    for mode in modes {
        let supported = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
        report.one_of("spec.accessModes", mode.as_str().unwrap_or_default(), &supported);
    }
    let none = Map::new();
    let capacity = spec.get("capacity").and_then(Value::as_object).unwrap_or(&none);
    if capacity.is_empty() {
        report.required("spec.capacity", "");
    }
    if capacity.len() != 1 || !capacity.contains_key("storage") {
        let shown = spec.get("capacity").cloned().unwrap_or_default();
        report.errors.push(FieldError::not_supported("spec.capacity", &shown, &["storage"]));
    }
    for (name, amount) in capacity {
        let amount = amount.as_str().and_then(Quantity::parse);
        if let Some(amount) = amount.filter(|a| *a <= Quantity::ZERO) {
            report.invalid(format!("spec.capacity[{name}]"), &amount.canonical().into(), "must be greater than zero");
        }
    }
    report.optional_one_of(
        "spec.persistentVolumeReclaimPolicy",
        text(spec, "persistentVolumeReclaimPolicy"),
        &["Delete", "Recycle", "Retain"],
    );
    sources(report, spec);
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        report.broken("spec.storageClassName", class, names::dns1123_subdomain(class));
    }
    report.optional_one_of("spec.volumeMode", text(spec, "volumeMode"), &["Block", "Filesystem"]);
    if let Some(before) = old.and_then(|o| o.get("spec")) {
        let source = |v: &Value| -> Map<String, Value> {
            v.as_object()
                .into_iter()
                .flatten()
                .filter(|(k, _)| !NOT_SOURCES.contains(&k.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        };
        if !same(Some(&Value::Object(source(spec))), Some(&Value::Object(source(before)))) {
            report.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation");
        }
        report.immutable(spec, before, "spec", "volumeMode");
    }
}

fn sources(report: &mut Report, spec: &Value) {
    let all: Vec<&String> = spec
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(k, v)| !NOT_SOURCES.contains(&k.as_str()) && !v.is_null())
        .map(|(k, _)| k)
        .collect();
    // `hostPath` is looked at first, whatever the order.
    let first = all.iter().position(|k| *k == "hostPath").unwrap_or(0);
    for (_, key) in all.iter().enumerate().filter(|(i, _)| *i != first) {
        report.forbidden(format!("spec.{key}"), "may not specify more than 1 volume type");
    }
    match all.get(first) {
        None => report.required("spec", "must specify a volume type"),
        Some(key) => {
            let needed: &[&str] = match key.as_str() {
                "hostPath" | "local" => &["path"],
                "nfs" => &["server", "path"],
                "csi" => &["driver", "volumeHandle"],
                _ => &[],
            };
            for field in needed.iter().filter(|f| text(&spec[key.as_str()], f).is_empty()) {
                report.required(format!("spec.{key}.{field}"), "");
            }
        }
    }
}

pub(super) fn class(report: &mut Report, v: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        for key in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            if !same(v.get(key), old.get(key)) {
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
