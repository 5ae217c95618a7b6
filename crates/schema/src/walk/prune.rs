//! Dropping what the type does not know.

use comity_core::Value;

use super::canonical::zero;
use crate::{
    builtin,
    node::{Node, Object, Shape},
    schema::Schema,
};

/// Keys of a whole object that its type does not list by itself.
const WHOLE: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub(crate) fn prune(schema: &Schema, v: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut path = String::new();
    if !schema.is_custom() {
        typed(schema.root(), v, &mut path, &mut unknown);
        return unknown;
    }
    metadata(schema.root(), v, &mut path, &mut unknown);
    unknown.sort();
    let mut rest = Vec::new();
    open(schema.root(), v, &mut path, &mut rest);
    rest.sort();
    unknown.append(&mut rest);
    nulls(schema.root(), v);
    unknown
}

/// Runs a step with a key or an index appended to the path.
fn within(path: &mut String, step: std::fmt::Arguments<'_>, run: impl FnOnce(&mut String)) {
    let length = path.len();
    let _ = std::fmt::Write::write_fmt(path, step);
    run(path);
    path.truncate(length);
}

fn key(path: &mut String, key: &str, run: impl FnOnce(&mut String)) {
    let dot = if path.is_empty() { "" } else { "." };
    within(path, format_args!("{dot}{key}"), run);
}

/// Built-in types: every field is known, null is the same as absent.
fn typed(node: &Node, v: &mut Value, path: &mut String, unknown: &mut Vec<String>) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            if object.preserve {
                return;
            }
            map.retain(|name, value| {
                let Some(field) = object.field(name) else {
                    key(path, name, |path| unknown.push(path.clone()));
                    return false;
                };
                if !value.is_null() {
                    key(path, name, |path| typed(field.node(), value, path, unknown));
                }
                !value.is_null()
            });
        }
        (Shape::Map { value: kind, .. }, Value::Object(map)) => {
            for (name, value) in map.iter_mut() {
                if value.is_null() {
                    *value = zero(kind.node());
                }
                key(path, name, |path| typed(kind.node(), value, path, unknown));
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            for (index, value) in items.iter_mut().enumerate() {
                if value.is_null() {
                    *value = zero(item.node());
                }
                within(path, format_args!("[{index}]"), |path| typed(item.node(), value, path, unknown));
            }
        }
        _ => {}
    }
}

/// Custom kinds, first pass: `metadata` of the object and of embedded objects has a type of its own.
fn metadata(node: &Node, v: &mut Value, path: &mut String, unknown: &mut Vec<String>) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            if object.embedded
                && let Some(meta) = map.get_mut("metadata")
            {
                key(path, "metadata", |path| typed(builtin::table().metadata().node(), meta, path, unknown));
            }
            for (name, value) in map.iter_mut() {
                if let Some(field) = object.field(name).filter(|_| !(object.embedded && name == "metadata")) {
                    key(path, name, |path| metadata(field.node(), value, path, unknown));
                }
            }
        }
        (Shape::Map { value: kind, .. }, Value::Object(map)) => {
            for (name, value) in map.iter_mut() {
                key(path, name, |path| metadata(kind.node(), value, path, unknown));
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            for (index, value) in items.iter_mut().enumerate() {
                within(path, format_args!("[{index}]"), |path| metadata(item.node(), value, path, unknown));
            }
        }
        _ => {}
    }
}

/// Custom kinds, second pass: fields that neither the type nor a preserving parent allows.
fn open(node: &Node, v: &mut Value, path: &mut String, unknown: &mut Vec<String>) {
    match (&node.shape, v) {
        (Shape::Any, _) => {}
        (Shape::Object(object), Value::Object(map)) => {
            map.retain(|name, value| open_field(object, name, value, path, unknown));
        }
        (Shape::Map { value: kind, .. }, Value::Object(map)) => {
            for (name, value) in map.iter_mut() {
                key(path, name, |path| open(kind.node(), value, path, unknown));
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            for (index, value) in items.iter_mut().enumerate() {
                within(path, format_args!("[{index}]"), |path| open(item.node(), value, path, unknown));
            }
        }
        // A value of another type than declared: validation refuses it.
        _ => {}
    }
}

fn open_field(object: &Object, name: &str, value: &mut Value, path: &mut String, unknown: &mut Vec<String>) -> bool {
    if object.embedded && WHOLE.contains(&name) {
        return true;
    }
    if let Some(field) = object.field(name) {
        key(path, name, |path| open(field.node(), value, path, unknown));
        return true;
    }
    if object.preserve {
        return true;
    }
    key(path, name, |path| unknown.push(path.clone()));
    false
}

/// Nulls of custom kinds that are neither a value (nullable) nor a wish for the default.
fn nulls(node: &Node, v: &mut Value) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => map.retain(|name, value| match object.field(name) {
            Some(field) if value.is_null() => field.node().nullable || field.default().is_some(),
            Some(field) => {
                nulls(field.node(), value);
                true
            }
            None => true,
        }),
        (Shape::Map { value: kind, .. }, Value::Object(map)) => map.retain(|_, value| {
            let kind = kind.node();
            if value.is_null() {
                return kind.nullable || kind.default.is_some();
            }
            nulls(kind, value);
            true
        }),
        (Shape::List { item, .. }, Value::Array(items)) => items.iter_mut().for_each(|value| nulls(item.node(), value)),
        _ => {}
    }
}
