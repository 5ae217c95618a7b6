//! Recorded types in either notation.

use comity_core::{Map, Value, json};

use super::{Style, source::Source};
use crate::table::{Field, Shape};

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
const MICRO_TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";

/// One type; nothing when the table does not have it.
///
/// Types that belong to every group are told to belong to the group and version of the document only.
pub(super) fn definition(style: Style, source: &Source, name: &str, of: Option<(&str, &str)>) -> Option<Value> {
    let recorded = source.types.get(name)?;
    let mut out = Map::new();
    if let Some(text) = source.description(name, "") {
        out.insert("description".to_owned(), text.into());
    }
    match &recorded.alias {
        Some(alias) => out.extend(alias_of(style, name, alias)),
        None => {
            out.insert("type".to_owned(), "object".into());
            if !recorded.required.is_empty() {
                out.insert("required".to_owned(), json!(recorded.required));
            }
            let mut properties: Map<String, Value> =
                recorded.fields.iter().map(|field| (field.name.clone(), property(style, source, name, field))).collect();
            properties.sort_keys();
            if !properties.is_empty() {
                out.insert("properties".to_owned(), Value::Object(properties));
            }
        }
    }
    if !recorded.gvks.is_empty() {
        let everywhere = name.starts_with("io.k8s.apimachinery.");
        let here = |(group, version, _): &&(String, String, String)| {
            !everywhere || of.is_none_or(|of| group.is_empty() || (group.as_str(), version.as_str()) == of)
        };
        let kinds =
            recorded.gvks.iter().filter(here).map(|(group, version, kind)| json!({"group": group, "kind": kind, "version": version}));
        out.insert("x-kubernetes-group-version-kind".to_owned(), kinds.collect());
    }
    if !recorded.map_type.is_empty() {
        out.insert("x-kubernetes-map-type".to_owned(), recorded.map_type.clone().into());
    }
    if !recorded.unions.is_empty() {
        out.insert("x-kubernetes-unions".to_owned(), Value::Array(recorded.unions.clone()));
    }
    Some(Value::Object(out))
}

/// Types that are no objects with fields.
fn alias_of(style: Style, name: &str, alias: &Shape) -> Map<String, Value> {
    let value = match (style, alias) {
        (Style::V2, Shape::Quantity) => json!({"type": "string"}),
        (Style::V3, Shape::Quantity) => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        (Style::V2, Shape::IntOrString) => json!({"type": "string", "format": "int-or-string"}),
        (Style::V3, Shape::IntOrString) => json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
        (_, Shape::Time | Shape::MicroTime) => json!({"type": "string", "format": "date-time"}),
        // JSON values of any type, other than objects without known fields.
        (_, Shape::Any) if name.contains(".apiextensions.v1.JSON") => json!({}),
        (_, Shape::Any) => json!({"type": "object"}),
        (style, other) => shape_of(style, other),
    };
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn property(style: Style, source: &Source, owner: &str, field: &Field) -> Value {
    let mut out = Map::new();
    if let Some(text) = source.description(owner, &field.name) {
        out.insert("description".to_owned(), text.into());
    }
    if style == Style::V3 {
        let zero = field.zero_default.then(|| zero_of(source, &field.shape)).flatten();
        if let Some(default) = field.default.clone().or(zero) {
            out.insert("default".to_owned(), default);
        }
    }
    let mut shape = shape_with_items(style, source, &field.shape);
    if !field.enumeration.is_empty() {
        let inner = match &field.shape {
            Shape::List(_) => &mut shape["items"],
            Shape::Map(_) => &mut shape["additionalProperties"],
            _ => &mut shape,
        };
        inner["enum"] = json!(field.enumeration);
    }
    for (key, text) in [
        ("x-kubernetes-list-type", &field.list_type),
        ("x-kubernetes-map-type", &field.map_type),
        ("x-kubernetes-patch-merge-key", &field.patch_merge_key),
        ("x-kubernetes-patch-strategy", &field.patch_strategy),
    ] {
        if !text.is_empty() {
            out.insert(key.to_owned(), text.as_str().into());
        }
    }
    if !field.list_keys.is_empty() {
        out.insert("x-kubernetes-list-map-keys".to_owned(), json!(field.list_keys));
    }
    join(style, out, shape)
}

/// A schema with what is said about it besides; version 3 allows nothing beside a reference, so that it is wrapped there.
pub(super) fn join(style: Style, mut about: Map<String, Value>, shape: Value) -> Value {
    if style == Style::V3 && !about.is_empty() && shape.get("$ref").is_some() {
        about.insert("allOf".to_owned(), json!([shape]));
    } else if let Value::Object(shape) = shape {
        about.extend(shape);
    }
    Value::Object(about)
}

fn shape_with_items(style: Style, source: &Source, shape: &Shape) -> Value {
    let (key, kind, inner) = match shape {
        Shape::List(inner) => ("items", "array", inner),
        Shape::Map(inner) => ("additionalProperties", "object", inner),
        other => return shape_of(style, other),
    };
    let mut about = Map::new();
    if style == Style::V3
        && let Some(default) = zero_of(source, inner)
    {
        about.insert("default".to_owned(), default);
    }
    json!({"type": kind, key: join(style, about, shape_with_items(style, source, inner))})
}

fn shape_of(style: Style, shape: &Shape) -> Value {
    let with_format = |kind: &str, format: &str| match format {
        "" => json!({"type": kind}),
        format => json!({"type": kind, "format": format}),
    };
    match shape {
        Shape::Any => json!({"type": "object"}),
        Shape::String(format) => with_format("string", format),
        Shape::Integer(format) => with_format("integer", format),
        Shape::Number => with_format("number", "double"),
        Shape::Boolean => with_format("boolean", ""),
        Shape::Duration => with_format("string", ""),
        Shape::IntOrString => json!({"$ref": style.reference(INT_OR_STRING)}),
        Shape::Quantity => json!({"$ref": style.reference(QUANTITY)}),
        Shape::Time => json!({"$ref": style.reference(TIME)}),
        Shape::MicroTime => json!({"$ref": style.reference(MICRO_TIME)}),
        Shape::Ref(name) => json!({"$ref": style.reference(name)}),
        Shape::List(inner) => json!({"type": "array", "items": shape_of(style, inner)}),
        Shape::Map(inner) => json!({"type": "object", "additionalProperties": shape_of(style, inner)}),
    }
}

/// The zero value that the documents name as the default of what may not be absent in Go.
fn zero_of(source: &Source, shape: &Shape) -> Option<Value> {
    match shape {
        Shape::String(format) => (format != "byte").then(|| "".into()),
        Shape::Integer(_) | Shape::Number => Some(0.into()),
        Shape::Boolean => Some(false.into()),
        Shape::Ref(name) => source.types.get(name).is_some_and(|t| t.alias.is_none()).then(|| json!({})),
        _ => None,
    }
}
