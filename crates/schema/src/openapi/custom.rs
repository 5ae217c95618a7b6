//! Types of custom kinds.

use comity_core::{Map, Value, json};

use super::{Style, source::Source, types::join};
use crate::builtin::ResourceInfo;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
/// A type whose descriptions of the common fields serve for all.
const LIKE: &str = "io.k8s.api.core.v1.ConfigMap";
const LIST_LIKE: &str = "io.k8s.api.core.v1.ConfigMapList";

/// The name of a custom kind's type: the group from its end, the version and the kind.
pub(super) fn type_name(info: &ResourceInfo, kind: &str) -> String {
    let group: Vec<&str> = info.group.rsplit('.').collect();
    format!("{}.{}.{kind}", group.join("."), info.version)
}

/// Adds the type of a custom kind and that of its lists.
pub(super) fn define(style: Style, source: &Source, info: &ResourceInfo, schema: &Value, out: &mut Map<String, Value>) {
    let name = type_name(info, &info.kind);
    let kind = |kind: &str| json!([{"group": info.group, "kind": kind, "version": info.version}]);
    let mut object = if schema.is_object() { converted(style, source, schema, true) } else { json!({"type": "object"}) };
    object["x-kubernetes-group-version-kind"] = kind(&info.kind);
    out.insert(name.clone(), object);

    let text = |field: &str| source.description(LIST_LIKE, field).unwrap_or_default();
    let described = |field: &str| Map::from_iter([("description".to_owned(), Value::from(text(field)))]);
    out.insert(
        type_name(info, &info.list_kind),
        json!({
            "description": format!("{} is a list of {}", info.list_kind, info.kind),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"description": text("apiVersion"), "type": "string"},
                "items": {
                    "description": format!("List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md", info.plural),
                    "type": "array",
                    "items": {"$ref": style.reference(&name)},
                },
                "kind": {"description": text("kind"), "type": "string"},
                "metadata": join(style, described("metadata"), json!({"$ref": style.reference(LIST_META)})),
            },
            "x-kubernetes-group-version-kind": kind(&info.list_kind),
        }),
    );
}

/// A part of the definition's schema as it is published.
fn converted(style: Style, source: &Source, schema: &Value, is_object: bool) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in schema {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let converted = properties.iter().map(|(name, value)| (name.clone(), converted(style, source, value, false)));
                Value::Object(converted.collect())
            }
            ("items" | "additionalProperties", value @ Value::Object(_)) => converted(style, source, value, false),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    let has = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    let embedded = has("x-kubernetes-embedded-resource");
    if is_object || embedded {
        common_fields(style, source, &mut out);
    }
    if embedded {
        out.insert("required".to_owned(), json!(["kind", "apiVersion"]));
    }
    match style {
        Style::V3 if has("x-kubernetes-int-or-string") && !out.contains_key("anyOf") => {
            out.insert("anyOf".to_owned(), json!([{"type": "integer"}, {"type": "string"}]));
        }
        Style::V3 => {}
        Style::V2 => {
            // What version 2 cannot say.
            for key in ["default", "nullable", "oneOf", "anyOf", "allOf", "not", "x-kubernetes-validations"] {
                out.shift_remove(key);
            }
            if has("nullable") || (has("x-kubernetes-preserve-unknown-fields") && !is_object) {
                for key in ["type", "properties", "items", "additionalProperties", "required"] {
                    out.shift_remove(key);
                }
            }
            if has("x-kubernetes-int-or-string") {
                out.shift_remove("type");
            }
        }
    }
    Value::Object(out)
}

/// Puts in what every object has.
fn common_fields(style: Style, source: &Source, out: &mut Map<String, Value>) {
    let text = |field: &str| source.description(LIKE, field).unwrap_or_default();
    let properties = out.entry("properties").or_insert_with(|| json!({}));
    properties["apiVersion"] = json!({"description": text("apiVersion"), "type": "string"});
    properties["kind"] = json!({"description": text("kind"), "type": "string"});
    let about = Map::from_iter([("description".to_owned(), Value::from(text("metadata")))]);
    properties["metadata"] = join(style, about, json!({"$ref": style.reference(OBJECT_META)}));
    if let Value::Object(properties) = properties {
        properties.sort_keys();
    }
}
