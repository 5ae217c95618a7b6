//! Volumes, claims and classes of storage.

use comity_core::{Value, object};

use super::cells::{At, Cells, flag, or, quantity, text};

/// Access modes in their short form and usual order.
fn access_modes(object: &Value, path: &[&str]) -> String {
    let has = |mode: &str| object::items_at(object, path).iter().any(|m| m == mode);
    [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")]
        .iter()
        .filter(|(mode, _)| has(mode))
        .map(|(_, short)| *short)
        .collect::<Vec<_>>()
        .join(",")
}

/// The class of a volume or claim: the old annotation goes before the field.
fn class_name(object: &Value) -> &str {
    object::annotation(object, "volume.beta.kubernetes.io/storage-class").unwrap_or_else(|| text(object, &["spec", "storageClassName"]))
}

fn phase(object: &Value) -> &str {
    if object::is_deleting(object) { "Terminating" } else { text(object, &["status", "phase"]) }
}

fn unless_unset<'a>(object: &'a Value, key: &str) -> &'a str {
    or(text(object, &["spec", key]), "<unset>")
}

pub(super) fn volume(object: &Value, at: At) -> Cells {
    let claim = object::at(object, &["spec", "claimRef"])
        .map_or_else(String::new, |claim| format!("{}/{}", text(claim, &["namespace"]), text(claim, &["name"])));
    vec![
        object::name(object).into(),
        quantity(object, &["spec", "capacity", "storage"]).into(),
        access_modes(object, &["spec", "accessModes"]).into(),
        text(object, &["spec", "persistentVolumeReclaimPolicy"]).into(),
        phase(object).into(),
        claim.into(),
        class_name(object).into(),
        unless_unset(object, "volumeAttributesClassName").into(),
        text(object, &["status", "reason"]).into(),
        at.age(object),
        unless_unset(object, "volumeMode").into(),
    ]
}

pub(super) fn claim(object: &Value, at: At) -> Cells {
    let volume = text(object, &["spec", "volumeName"]);
    let (capacity, modes) = match volume {
        "" => (String::new(), String::new()),
        _ => (quantity(object, &["status", "capacity", "storage"]), access_modes(object, &["status", "accessModes"])),
    };
    vec![
        object::name(object).into(),
        phase(object).into(),
        volume.into(),
        capacity.into(),
        modes.into(),
        class_name(object).into(),
        unless_unset(object, "volumeAttributesClassName").into(),
        at.age(object),
        unless_unset(object, "volumeMode").into(),
    ]
}

pub(super) fn class(object: &Value, at: At) -> Cells {
    let default = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
        .iter()
        .any(|key| object::annotation(object, key) == Some("true"));
    vec![
        format!("{}{}", object::name(object), if default { " (default)" } else { "" }).into(),
        text(object, &["provisioner"]).into(),
        or(text(object, &["reclaimPolicy"]), "Delete").into(),
        or(text(object, &["volumeBindingMode"]), "Immediate").into(),
        flag(object, &["allowVolumeExpansion"]).into(),
        at.age(object),
    ]
}

pub(super) fn csi_node(object: &Value, at: At) -> Cells {
    vec![object::name(object).into(), object::items_at(object, &["spec", "drivers"]).len().into(), at.age(object)]
}

pub(super) fn csi_driver(object: &Value, at: At) -> Cells {
    let texts = |path: &[&str]| object::items_at(object, path).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    let requests = match object::at(object, &["spec", "tokenRequests"]) {
        None => "<unset>".to_owned(),
        Some(_) => super::cells::joined(object::items_at(object, &["spec", "tokenRequests"]), "audience"),
    };
    vec![
        object::name(object).into(),
        (object::at(object, &["spec", "attachRequired"]) != Some(&Value::Bool(false))).into(),
        flag(object, &["spec", "podInfoOnMount"]).into(),
        flag(object, &["spec", "storageCapacity"]).into(),
        requests.into(),
        flag(object, &["spec", "requiresRepublish"]).into(),
        or(&texts(&["spec", "volumeLifecycleModes"]), "<none>").into(),
        at.age(object),
    ]
}

pub(super) fn attachment(object: &Value, at: At) -> Cells {
    vec![
        object::name(object).into(),
        text(object, &["spec", "attacher"]).into(),
        text(object, &["spec", "source", "persistentVolumeName"]).into(),
        text(object, &["spec", "nodeName"]).into(),
        flag(object, &["status", "attached"]).into(),
        at.age(object),
    ]
}

pub(super) fn attributes_class(object: &Value, at: At) -> Cells {
    vec![object::name(object).into(), text(object, &["driverName"]).into(), at.age(object)]
}
