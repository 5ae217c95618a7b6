//! Rules for `metadata`, on create and on update.

use std::collections::BTreeSet;

use comity_core::{FieldError, Map, Value, names, object};

/// Which names a kind allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// DNS-1123 subdomain: nearly every kind.
    Subdomain,
    /// DNS-1123 label: namespaces, services, stateful sets.
    Label,
    /// Anything that can stand in a path: RBAC, events and a few more.
    PathSegment,
}

impl NameRule {
    /// The rule of a resource; custom kinds have subdomains.
    pub fn of(group: &str, plural: &str) -> Self {
        match (group, plural) {
            ("", "namespaces" | "services") | ("apps", "statefulsets") => Self::Label,
            ("rbac.authorization.k8s.io" | "policy" | "events.k8s.io" | "internal.apiserver.k8s.io" | "apiregistration.k8s.io", _)
            | ("", "events" | "componentstatuses")
            | ("certificates.k8s.io", "clustertrustbundles") => Self::PathSegment,
            _ => Self::Subdomain,
        }
    }

    fn check(self, name: &str) -> Vec<String> {
        match self {
            Self::Subdomain => names::dns1123_subdomain(name),
            Self::Label => names::dns1123_label(name),
            Self::PathSegment => names::path_segment(name),
        }
    }
}

/// Annotations' total size limit.
const ANNOTATIONS: usize = 256 * 1024;
const IMMUTABLE: &str = "field is immutable";

/// Validates `metadata` of an object that is created.
pub fn metadata(v: &Value, namespaced: bool, rule: NameRule) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let generate = object::str_at(v, &["metadata", "generateName"]);
    if !generate.is_empty() {
        let masked = if generate.len() > 1 && generate.ends_with('-') {
            format!("{}a", generate.get(..generate.len() - 2).unwrap_or(""))
        } else {
            generate.to_owned()
        };
        errors.extend(rule.check(&masked).into_iter().map(|why| FieldError::invalid("metadata.generateName", &generate.into(), &why)));
    }
    let name = object::name(v);
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        errors.extend(rule.check(name).into_iter().map(|why| FieldError::invalid("metadata.name", &name.into(), &why)));
    }
    let namespace = object::namespace(v);
    match (namespaced, namespace.is_empty()) {
        (true, true) => errors.push(FieldError::required("metadata.namespace", "")),
        (true, false) => {
            errors.extend(
                names::dns1123_label(namespace).into_iter().map(|why| FieldError::invalid("metadata.namespace", &namespace.into(), &why)),
            );
        }
        (false, false) => errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type")),
        (false, true) => {}
    }
    let generation = object::generation(v);
    if generation < 0 {
        errors.push(FieldError::invalid("metadata.generation", &generation.into(), "must be greater than or equal to 0"));
    }
    common(v, &mut errors);
    finalizers(v, &mut errors);
    errors
}

/// Validates `metadata` of an object that replaces an old one.
pub fn metadata_update(v: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if object::is_deleting(old) {
        let before: BTreeSet<&str> = object::finalizers(old).collect();
        let extra: BTreeSet<&str> = object::finalizers(v).filter(|f| !before.contains(f)).collect();
        if !extra.is_empty() {
            let list = extra.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ");
            let why = format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}");
            errors.push(FieldError::forbidden("metadata.finalizers", &why));
        }
    }
    if object::resource_version(v).is_empty() {
        errors.push(FieldError::invalid("metadata.resourceVersion", &"".into(), "must be specified for an update"));
    }
    let generation = object::generation(v);
    if generation < object::generation(old) {
        errors.push(FieldError::invalid("metadata.generation", &generation.into(), "must not be decremented"));
    }
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, before) = (object::at(v, &["metadata", field]), object::at(old, &["metadata", field]));
        let absent = |v: Option<&Value>| v.is_none_or(|v| v.is_null() || v == "");
        if new != before && !(absent(new) && absent(before)) {
            let shown = new.cloned().unwrap_or(match field {
                "name" | "namespace" | "uid" => "".into(),
                _ => Value::Null,
            });
            errors.push(FieldError::invalid(format!("metadata.{field}"), &shown, IMMUTABLE));
        }
    }
    common(v, &mut errors);
    errors
}

fn common(v: &Value, errors: &mut Vec<FieldError>) {
    labels(object::labels(v), "metadata.labels", errors);
    annotations(object::at(v, &["metadata", "annotations"]).and_then(Value::as_object), "metadata.annotations", errors);
    owners(v, errors);
    managed(v, errors);
}

/// Keys and values of labels at a path.
pub(super) fn labels(labels: Option<&Map<String, Value>>, path: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in labels.into_iter().flatten() {
        errors.extend(names::qualified_name(key).into_iter().map(|why| FieldError::invalid(path, &key.as_str().into(), &why)));
        let value = value.as_str().unwrap_or_default();
        errors.extend(names::label_value(value).into_iter().map(|why| FieldError::invalid(path, &value.into(), &why)));
    }
}

/// Keys and total size of annotations at a path.
pub(super) fn annotations(annotations: Option<&Map<String, Value>>, path: &str, errors: &mut Vec<FieldError>) {
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        // The case of a key does not matter here.
        let wrong = names::qualified_name(&key.to_lowercase());
        errors.extend(wrong.into_iter().map(|why| FieldError::invalid(path, &key.as_str().into(), &why)));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS {
        errors.push(FieldError::too_long(path, ANNOTATIONS));
    }
}

fn owners(v: &Value, errors: &mut Vec<FieldError>) {
    let path = "metadata.ownerReferences";
    let owners = object::items_at(v, &["metadata", "ownerReferences"]);
    let mut controller: Option<String> = None;
    for owner in owners {
        let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("apiVersion").rsplit('/').next().is_none_or(str::is_empty) {
            errors.push(FieldError::invalid(format!("{path}.apiVersion"), &text("apiVersion").into(), "version must not be empty"));
        }
        for key in ["kind", "name", "uid"] {
            if text(key).is_empty() {
                errors.push(FieldError::invalid(format!("{path}.{key}"), &"".into(), "must not be empty"));
            }
        }
        if text("apiVersion") == "v1" && text("kind") == "Event" {
            errors.push(FieldError::invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"));
        }
        if owner.get("controller") == Some(&Value::Bool(true)) {
            let current = format!("{}/{}", text("kind"), text("name"));
            match &controller {
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {current}"
                    );
                    errors.push(FieldError::invalid(path, &Value::Array(owners.to_vec()), &why));
                }
                None => controller = Some(current),
            }
        }
    }
}

fn finalizers(v: &Value, errors: &mut Vec<FieldError>) {
    let path = "metadata.finalizers";
    let all: Vec<&str> = object::finalizers(v).collect();
    for finalizer in &all {
        errors.extend(names::qualified_name(finalizer).into_iter().map(|why| FieldError::invalid(path, &(*finalizer).into(), &why)));
    }
    if all.contains(&"orphan") && all.contains(&"foregroundDeletion") {
        let value = Value::from(all);
        errors.push(FieldError::invalid(path, &value, "finalizer orphan and foregroundDeletion cannot be both set"));
    }
}

fn managed(v: &Value, errors: &mut Vec<FieldError>) {
    for (index, entry) in object::items_at(v, &["metadata", "managedFields"]).iter().enumerate() {
        let path = format!("metadata.managedFields[{index}]");
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        if !matches!(text("operation"), "Apply" | "Update") {
            errors.push(FieldError::invalid(format!("{path}.operation"), &text("operation").into(), "must be `Apply` or `Update`"));
        }
        if !matches!(text("fieldsType"), "" | "FieldsV1") {
            errors.push(FieldError::invalid(format!("{path}.fieldsType"), &text("fieldsType").into(), "must be `FieldsV1`"));
        }
        if text("manager").len() > 128 {
            errors.push(FieldError::too_long(format!("{path}.manager"), 128));
        }
        if text("subresource").len() > 256 {
            errors.push(FieldError::too_long(format!("{path}.subresource"), 256));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_object_has_no_errors() {
        let v = json!({"metadata": {"name": "a.b", "namespace": "n", "labels": {"x/y": "z"}, "annotations": {"A": "any thing"}}});
        assert!(metadata(&v, true, NameRule::Subdomain).is_empty());
        assert!(!metadata(&v, true, NameRule::Label).is_empty());
    }

    #[test]
    fn every_part_is_checked() {
        let v = json!({"metadata": {
            "labels": {"a b": "c d"}, "annotations": {"": "x"}, "finalizers": ["orphan", "foregroundDeletion"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1", "controller": true},
                {"apiVersion": "v1", "kind": "Pod", "name": "b", "controller": true}]}});
        let texts = texts(&metadata(&v, true, NameRule::Subdomain));
        assert_eq!(texts[0], "metadata.name: Required value: name or generateName is required");
        assert_eq!(texts[1], "metadata.namespace: Required value");
        assert!(texts.iter().any(|t| t.starts_with("metadata.labels: Invalid value: \"a b\": name part must consist of")));
        assert!(texts.iter().any(|t| t == "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty"));
        assert!(texts.iter().any(|t| t.contains("Only one reference can have Controller set to true. Found \"true\" in references for Pod/a and Pod/b")));
        assert!(texts.iter().any(|t| t.contains("cannot be both set")));
    }

    #[test]
    fn updates_keep_identity() {
        let old = json!({"metadata": {"name": "a", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}});
        let new = json!({"metadata": {"name": "a", "uid": "2", "resourceVersion": "5", "finalizers": ["x/y", "x/z"]}});
        assert_eq!(
            texts(&metadata_update(&new, &old)),
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"x/z\"}",
                "metadata.uid: Invalid value: \"2\": field is immutable",
                "metadata.deletionTimestamp: Invalid value: null: field is immutable",
            ]
        );
    }

    #[test]
    fn too_many_annotations() {
        let v = json!({"metadata": {"name": "a", "annotations": {"a": "x".repeat(ANNOTATIONS)}}});
        assert_eq!(texts(&metadata(&v, false, NameRule::Subdomain)), ["metadata.annotations: Too long: may not be more than 262144 bytes"]);
    }
}
