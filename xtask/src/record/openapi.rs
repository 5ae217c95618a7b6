//! Types from the OpenAPI documents: shapes and extensions from version 2, published defaults from version 3.

use std::collections::BTreeMap;

use anyhow::Context;
use comity_schema::table::{Field, Shape, Type};
use serde_json::{Map, Value};

const PREFIX_V2: &str = "#/definitions/";
const PREFIX_V3: &str = "#/components/schemas/";

/// All types of both documents.
pub fn types(v2: &Value, v3: &BTreeMap<String, Value>) -> anyhow::Result<BTreeMap<String, Type>> {
    let definitions = v2["definitions"].as_object().context("/openapi/v2 has no definitions")?;
    let mut types: BTreeMap<String, Type> = definitions.iter().map(|(name, schema)| (name.clone(), type_of(name, schema))).collect();
    for schemas in v3.values().filter_map(|document| document["components"]["schemas"].as_object()) {
        for (name, schema) in schemas {
            let known = types.entry(name.clone()).or_insert_with(|| type_of(name, schema));
            overlay(known, schema);
        }
    }
    Ok(types)
}

fn type_of(name: &str, schema: &Value) -> Type {
    let properties = schema["properties"].as_object();
    Type {
        fields: properties.map(|all| all.iter().map(|(name, schema)| field(name, schema)).collect()).unwrap_or_default(),
        alias: properties.is_none().then(|| special(name).unwrap_or_else(|| shape(schema))),
        required: texts(&schema["required"]),
        gvks: gvks(schema),
        map_type: text(schema, "x-kubernetes-map-type"),
        unions: schema["x-kubernetes-unions"].as_array().cloned().unwrap_or_default(),
        inlined: Vec::new(),
        hidden: false,
    }
}

/// The (group, version, kind) triples of a schema or an operation.
pub fn gvks(schema: &Value) -> Vec<(String, String, String)> {
    let one = |gvk: &Value| (text(gvk, "group"), text(gvk, "version"), text(gvk, "kind"));
    match &schema["x-kubernetes-group-version-kind"] {
        Value::Array(list) => list.iter().map(one).collect(),
        gvk @ Value::Object(_) => vec![one(gvk)],
        _ => Vec::new(),
    }
}

fn field(name: &str, schema: &Value) -> Field {
    let enumeration = if schema["enum"].is_array() { &schema["enum"] } else { &schema["items"]["enum"] };
    Field {
        name: name.to_owned(),
        shape: shape(schema),
        list_type: text(schema, "x-kubernetes-list-type"),
        list_keys: texts(&schema["x-kubernetes-list-map-keys"]),
        map_type: text(schema, "x-kubernetes-map-type"),
        patch_strategy: text(schema, "x-kubernetes-patch-strategy"),
        patch_merge_key: text(schema, "x-kubernetes-patch-merge-key"),
        enumeration: texts(enumeration),
        ..Field::default()
    }
}

/// Adds what only version 3 says.
fn overlay(known: &mut Type, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for field in &mut known.fields {
        let Some(default) = properties.get(&field.name).and_then(|property| property.get("default")) else { continue };
        if is_zero(default) {
            field.zero_default = true;
        } else {
            field.default = Some(default.clone());
        }
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(truth) => !truth,
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
    }
}

fn shape(schema: &Value) -> Shape {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(reference) = reference {
        let name = reference.trim_start_matches(PREFIX_V2).trim_start_matches(PREFIX_V3);
        return special(name).unwrap_or_else(|| Shape::Ref(name.to_owned()));
    }
    let format = text(schema, "format");
    match schema["type"].as_str() {
        Some("string") if format == "int-or-string" => Shape::IntOrString,
        Some("string") => Shape::String(format),
        Some("integer") => Shape::Integer(if format.is_empty() { "int64".to_owned() } else { format }),
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        Some("array") => Shape::List(Box::new(shape(&schema["items"]))),
        Some("object") if schema["additionalProperties"].is_object() => Shape::Map(Box::new(shape(&schema["additionalProperties"]))),
        _ => Shape::Any,
    }
}

fn special(name: &str) -> Option<Shape> {
    Some(match name {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => Shape::Quantity,
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time" => Shape::Time,
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime" => Shape::MicroTime,
        "io.k8s.apimachinery.pkg.apis.meta.v1.Duration" => Shape::Duration,
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Shape::IntOrString,
        _ => return None,
    })
}

/// Type name → {"": text of the type, field → text}.
pub fn descriptions(v2: &Value, v3: &BTreeMap<String, Value>) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let documents = v3.values().map(|document| &document["components"]["schemas"]).chain([&v2["definitions"]]);
    for schemas in documents.filter_map(Value::as_object) {
        for (name, schema) in schemas {
            let texts = all.entry(name.clone()).or_default();
            insert(texts, "", schema);
            for (field, schema) in schema["properties"].as_object().unwrap_or(&Map::new()) {
                insert(texts, field, schema);
            }
        }
    }
    all
}

fn insert(texts: &mut BTreeMap<String, String>, key: &str, schema: &Value) {
    if let Some(text) = schema["description"].as_str() {
        texts.insert(key.to_owned(), text.to_owned());
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default()
}
