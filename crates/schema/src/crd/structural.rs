//! Checks of custom objects along their structure: uniqueness in lists, embedded whole objects.

use comity_core::{FieldError, Map, Value, names};

use crate::node::{ListKind, Node, Shape};

/// Repeated items of `set` lists and repeated keys of `map` lists.
pub(crate) fn list_uniqueness(node: &Node, v: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    unique(node, v, "", &mut errors);
    errors
}

fn unique(node: &Node, v: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            for (name, value) in map {
                // `metadata` has validation of its own.
                if let Some(field) = object.field(name).filter(|_| !(object.embedded && name == "metadata")) {
                    unique(field.node(), value, &join(path, name), errors);
                }
            }
        }
        (Shape::Map { value: kind, .. }, Value::Object(map)) => {
            for (name, value) in map {
                unique(kind.node(), value, &format!("{path}[{name}]"), errors);
            }
        }
        (Shape::List { item, kind, keys }, Value::Array(items)) => {
            let identity = |item: &Value| -> Option<Value> {
                match kind {
                    ListKind::Atomic => None,
                    ListKind::Set => Some(item.clone()),
                    ListKind::Map => {
                        let found = keys.iter().filter_map(|k| Some((k.to_string(), item.get(&**k)?.clone())));
                        Some(Value::Object(found.collect::<Map<_, _>>()))
                    }
                }
            };
            let mut seen: Vec<(Value, usize)> = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let Some(identity) = identity(item) else { break };
                match seen.iter_mut().find(|(known, _)| *known == identity) {
                    Some((_, times)) => {
                        *times += 1;
                        if *times == 2 {
                            errors.push(FieldError::duplicate(format!("{path}[{index}]"), &identity));
                        }
                    }
                    None => seen.push((identity, 1)),
                }
            }
            for (index, value) in items.iter().enumerate() {
                unique(item.node(), value, &format!("{path}[{index}]"), errors);
            }
        }
        _ => {}
    }
}

/// Embedded objects need `apiVersion` and `kind`; the object itself is checked elsewhere.
pub(crate) fn embedded(node: &Node, v: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk_embedded(node, v, "", &mut errors);
    errors
}

fn walk_embedded(node: &Node, v: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            if object.embedded && !path.is_empty() {
                whole(map, path, errors);
            }
            for (name, value) in map {
                if let Some(field) = object.field(name).filter(|_| !(object.embedded && name == "metadata")) {
                    walk_embedded(field.node(), value, &join(path, name), errors);
                }
            }
        }
        (Shape::Map { value: kind, .. }, Value::Object(map)) => {
            for (name, value) in map {
                walk_embedded(kind.node(), value, &format!("{path}[{name}]"), errors);
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                walk_embedded(item.node(), value, &format!("{path}[{index}]"), errors);
            }
        }
        _ => {}
    }
}

fn whole(map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        let at = join(path, name);
        match map.get(name) {
            None => errors.push(FieldError::required(at, "")),
            Some(Value::String(text)) if text.is_empty() => errors.push(FieldError::invalid(at, &"".into(), "must not be empty")),
            Some(Value::String(text)) if name == "apiVersion" && text.matches('/').count() > 1 => {
                errors.push(FieldError::invalid(at, &text.as_str().into(), &format!("unexpected GroupVersion string: {text}")));
            }
            Some(Value::String(text)) if name == "kind" => {
                let wrong = names::dns1035_label(&text.to_lowercase());
                if !wrong.is_empty() {
                    let why = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                    errors.push(FieldError::invalid(at, &text.as_str().into(), &why));
                }
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.push(FieldError::invalid(at, other, "must be a string")),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
