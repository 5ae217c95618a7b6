//! The compiled type of a custom kind.

use std::sync::Arc;

use comity_core::{FieldError, Map, Value};

use super::check::Check;
use crate::{
    builtin,
    node::{Field, Link, ListKind, MapKind, Node, Object, REQUIRED, Scalar, Shape},
    schema::Schema,
};

/// Compiles the `openAPIV3Schema` of one version of a definition (an empty one preserves everything).
///
/// # Errors
/// The schema is not structural: a field's type cannot be told.
pub fn compile(version_schema: &Value) -> Result<Schema, Vec<FieldError>> {
    let empty = Map::new();
    let schema = version_schema.as_object().unwrap_or(&empty);
    let mut errors = Vec::new();
    let mut compiler = Compiler { errors: &mut errors };
    let mut root = match compiler.node(schema, "openAPIV3Schema") {
        Node { shape: Shape::Object(object), nullable, default } => Node { shape: Shape::Object(object), nullable, default },
        Node { shape: Shape::Any, .. } => {
            Node { shape: Shape::Object(Object { preserve: true, ..Object::default() }), nullable: false, default: None }
        }
        _ => {
            errors.push(FieldError::invalid(
                "openAPIV3Schema.type",
                &schema.get("type").cloned().unwrap_or_default(),
                "must be object at the root",
            ));
            return Err(errors);
        }
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    if let Shape::Object(object) = &mut root.shape {
        whole(object);
    }
    Ok(Schema { root: Link::Own(Arc::new(root)), check: Some(Arc::new(Check::compile(schema))) })
}

/// Makes an object a whole one: `apiVersion`, `kind` and `metadata` have the types they have everywhere.
fn whole(object: &mut Object) {
    let mut fields = Vec::from(std::mem::take(&mut object.fields));
    fields.retain(|f| !matches!(&*f.name, "apiVersion" | "kind" | "metadata"));
    let field = |name: &str, link| Field { name: name.into(), link, extra: None, number: 0, via: 0, flags: 0 };
    fields.insert(0, field("apiVersion", Link::Scalar(Scalar::String)));
    fields.insert(1, field("kind", Link::Scalar(Scalar::String)));
    fields.insert(2, field("metadata", builtin::table().metadata()));
    let made = Object::new(fields);
    object.fields = made.fields;
    object.index = made.index;
    object.embedded = true;
}

struct Compiler<'a> {
    errors: &'a mut Vec<FieldError>,
}

impl Compiler<'_> {
    fn link(&mut self, schema: &Map<String, Value>, path: &str) -> Link {
        match self.node(schema, path) {
            Node { shape: Shape::Scalar(scalar), nullable: false, default: None } => Link::Scalar(scalar),
            node => Link::Own(Arc::new(node)),
        }
    }

    fn node(&mut self, schema: &Map<String, Value>, path: &str) -> Node {
        let shape = self.shape(schema, path);
        Node { shape, nullable: truth(schema, "nullable"), default: schema.get("default").filter(|d| !d.is_null()).cloned() }
    }

    fn shape(&mut self, schema: &Map<String, Value>, path: &str) -> Shape {
        if truth(schema, "x-kubernetes-int-or-string") {
            return Shape::Scalar(Scalar::IntOrString);
        }
        let preserve = truth(schema, "x-kubernetes-preserve-unknown-fields");
        match text(schema, "type") {
            "string" => Shape::Scalar(Scalar::String),
            "boolean" => Shape::Scalar(Scalar::Boolean),
            "integer" => Shape::Scalar(Scalar::Int64),
            "number" => Shape::Scalar(Scalar::Number),
            "array" => self.list(schema, path),
            "object" => self.object(schema, path, preserve),
            "" if preserve && schema.contains_key("properties") => self.object(schema, path, true),
            "" if preserve || schema.is_empty() => Shape::Any,
            "" => {
                self.errors.push(FieldError::required(format!("{path}.type"), "must not be empty for specified object fields"));
                Shape::Any
            }
            other => {
                let supported = ["array", "boolean", "integer", "number", "object", "string"];
                self.errors.push(FieldError::not_supported(format!("{path}.type"), &other.into(), &supported));
                Shape::Any
            }
        }
    }

    fn list(&mut self, schema: &Map<String, Value>, path: &str) -> Shape {
        let item = match schema.get("items") {
            Some(Value::Object(item)) => self.link(item, &format!("{path}.items")),
            _ => {
                self.errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
                Link::Any
            }
        };
        let kind = match text(schema, "x-kubernetes-list-type") {
            "set" => ListKind::Set,
            "map" => ListKind::Map,
            _ => ListKind::Atomic,
        };
        let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        let keys = keys.into_iter().flatten().filter_map(Value::as_str).map(Arc::from).collect();
        Shape::List { item, kind, keys }
    }

    fn object(&mut self, schema: &Map<String, Value>, path: &str, preserve: bool) -> Shape {
        let kind = if text(schema, "x-kubernetes-map-type") == "atomic" { MapKind::Atomic } else { MapKind::Granular };
        let properties = schema.get("properties").and_then(Value::as_object);
        match schema.get("additionalProperties") {
            Some(Value::Object(value)) if properties.is_none_or(Map::is_empty) => {
                return Shape::Map { value: self.link(value, &format!("{path}.additionalProperties")), kind };
            }
            Some(Value::Bool(true)) if properties.is_none_or(Map::is_empty) => return Shape::Map { value: Link::Any, kind },
            _ => {}
        }
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut fields = Vec::new();
        for (name, property) in properties.into_iter().flatten() {
            let inner = format!("{path}.properties[{name}]");
            let link = match property {
                Value::Object(property) => self.link(property, &inner),
                _ => Link::Any,
            };
            let flags = if required.contains(&name.as_str()) { REQUIRED } else { 0 };
            fields.push(Field { name: name.as_str().into(), link, extra: None, number: 0, via: 0, flags });
        }
        let mut object = Object { preserve, kind, ..Object::new(fields) };
        if truth(schema, "x-kubernetes-embedded-resource") {
            whole(&mut object);
        }
        Shape::Object(object)
    }
}

pub(super) fn truth(schema: &Map<String, Value>, key: &str) -> bool {
    schema.get(key) == Some(&Value::Bool(true))
}

pub(super) fn text<'a>(schema: &'a Map<String, Value>, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}
