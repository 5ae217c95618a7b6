//! The form in which the server answers built-in objects.

use base64::Engine as _;
use comity_core::{Map, Value, quantity::Quantity, time};

use super::types::{bytes_of, go_duration};
use crate::{
    builtin,
    node::{Field, Node, OMIT_EMPTY, OMIT_ZERO, Object, POINTER, Scalar, Shape},
    schema::Schema,
};

pub(crate) fn canonicalize(schema: &Schema, v: &mut Value) {
    if schema.is_custom() {
        embedded(schema.root(), v);
        whole_numbers(v);
        v.sort_all_objects();
        return;
    }
    canonical(schema.root(), v);
}

pub(crate) fn canonical(node: &Node, v: &mut Value) {
    match (&node.shape, &mut *v) {
        (Shape::Object(object), Value::Object(map)) if !object.preserve => *map = ordered(object, std::mem::take(map)),
        (Shape::Map { value, .. }, Value::Object(map)) => {
            map.sort_keys();
            map.values_mut().for_each(|v| canonical(value.node(), v));
        }
        (Shape::List { item, .. }, Value::Array(items)) => items.iter_mut().for_each(|v| canonical(item.node(), v)),
        (Shape::Scalar(scalar), _) => {
            if let Some(text) = scalar_text(*scalar, v) {
                *v = Value::String(text);
            }
        }
        _ => {}
    }
}

/// `1.0` is answered as `1`.
fn whole_numbers(v: &mut Value) {
    match v {
        Value::Number(n) if n.is_f64() => {
            let number = n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15);
            #[allow(clippy::cast_possible_truncation, reason = "checked to be exact")]
            if let Some(number) = number {
                *v = (number as i64).into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// The typed parts of custom objects: the metadata of the object and of embedded objects.
fn embedded(node: &Node, v: &mut Value) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            if object.embedded
                && let Some(metadata) = map.get_mut("metadata")
            {
                canonical(builtin::table().metadata().node(), metadata);
            }
            for field in &object.fields {
                if let Some(value) = map.get_mut(&*field.name).filter(|_| !(object.embedded && &*field.name == "metadata")) {
                    embedded(field.node(), value);
                }
            }
        }
        (Shape::Map { value, .. }, Value::Object(map)) => map.values_mut().for_each(|v| embedded(value.node(), v)),
        (Shape::List { item, .. }, Value::Array(items)) => items.iter_mut().for_each(|v| embedded(item.node(), v)),
        _ => {}
    }
}

/// The fields in their order; zero values left out or put in as Go's encoder does.
fn ordered(object: &Object, mut map: Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::with_capacity(map.len());
    for field in &object.fields {
        // Whether it is there at all is the type's matter, so removing without keeping the order is fine.
        match map.swap_remove(&*field.name) {
            Some(Value::Null) | None => {
                if let Some(value) = absent(field) {
                    out.insert(field.name.to_string(), value);
                }
            }
            Some(mut value) => {
                canonical(field.node(), &mut value);
                if !omitted(field, &value) {
                    out.insert(field.name.to_string(), value);
                }
            }
        }
    }
    out
}

/// Whether Go's encoder leaves a present value out.
fn omitted(field: &Field, value: &Value) -> bool {
    let list_or_map = matches!(value, Value::Array(a) if a.is_empty())
        || matches!(value, Value::Object(m) if m.is_empty() && !matches!(field.node().shape, Shape::Object(_)));
    if field.is(POINTER) {
        // A pointer to an empty value is not empty; lists and maps are never behind one.
        return field.is(OMIT_EMPTY) && list_or_map && !matches!(field.node().shape, Shape::Any);
    }
    field.is(OMIT_EMPTY) && (list_or_map || is_zero_scalar(field.node(), value))
}

fn is_zero_scalar(node: &Node, value: &Value) -> bool {
    match node.shape {
        // These are structs in Go: never "empty".
        Shape::Scalar(Scalar::Quantity | Scalar::IntOrString | Scalar::Time | Scalar::MicroTime | Scalar::Duration) => false,
        Shape::Scalar(_) => match value {
            Value::String(s) => s.is_empty(),
            Value::Bool(b) => !b,
            Value::Number(n) => n.as_f64() == Some(0.0),
            _ => false,
        },
        _ => false,
    }
}

/// What Go's encoder writes for an absent field, if anything.
fn absent(field: &Field) -> Option<Value> {
    if field.is(POINTER) {
        return (!field.is(OMIT_EMPTY)).then_some(Value::Null);
    }
    let node = field.node();
    match &node.shape {
        Shape::Object(object) if !object.preserve => {
            if field.is(OMIT_ZERO) {
                return None;
            }
            Some(Value::Object(ordered(object, Map::new())))
        }
        // RawExtension is a struct that encodes as null when it holds nothing.
        Shape::Object(_) | Shape::Any => (!field.is(OMIT_ZERO)).then_some(Value::Null),
        Shape::List { .. } | Shape::Map { .. } => (!field.is(OMIT_EMPTY)).then_some(Value::Null),
        Shape::Scalar(Scalar::Time | Scalar::MicroTime) => (!field.is(OMIT_ZERO)).then_some(Value::Null),
        Shape::Scalar(Scalar::Quantity | Scalar::IntOrString | Scalar::Duration) => (!field.is(OMIT_ZERO)).then(|| zero(node)),
        Shape::Scalar(_) => (!field.is(OMIT_EMPTY)).then(|| zero(node)),
    }
}

/// The zero value of a type, as JSON.
pub(crate) fn zero(node: &Node) -> Value {
    match &node.shape {
        Shape::Any => Value::Null,
        Shape::Object(_) | Shape::Map { .. } => Value::Object(Map::new()),
        Shape::List { .. } => Value::Array(Vec::new()),
        Shape::Scalar(scalar) => match scalar {
            Scalar::String | Scalar::Bytes => "".into(),
            Scalar::Boolean => false.into(),
            Scalar::Int32 | Scalar::Int64 | Scalar::Number | Scalar::IntOrString => 0.into(),
            Scalar::Quantity => "0".into(),
            Scalar::Time | Scalar::MicroTime => Value::Null,
            Scalar::Duration => "0s".into(),
        },
    }
}

/// The canonical text of quantities, times and durations; `None` leaves the value as it is.
fn scalar_text(scalar: Scalar, v: &Value) -> Option<String> {
    let text = match v {
        Value::String(text) => text.as_str(),
        Value::Number(n) if scalar == Scalar::Quantity => return Quantity::parse(&n.to_string()).map(Quantity::canonical),
        _ => return None,
    };
    match scalar {
        Scalar::Quantity => Quantity::parse(text).map(Quantity::canonical),
        Scalar::Time => time::parse(text).map(time::rfc3339),
        Scalar::MicroTime => time::parse(text).map(time::rfc3339_micro),
        Scalar::Duration => go_duration(text),
        Scalar::Bytes => bytes_of(text).map(|b| base64::engine::general_purpose::STANDARD.encode(b)),
        _ => None,
    }
}
