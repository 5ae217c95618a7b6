//! Checks an applied configuration against its type; messages are those of the API.

use std::collections::BTreeSet;

use serde_json::Value;

use super::types::{item, step, under};
use crate::node::{Kind, ListKind, Node, Scalar};

/// Everything that is wrong with a configuration, as one text.
///
/// # Errors
/// A field is unknown, has a value of a wrong type, or a list has two items with the same keys.
pub(super) fn check(node: &Node, value: &Value) -> Result<(), String> {
    let mut walk = Walk { path: String::new(), errors: Vec::new() };
    walk.value(node, value);
    match walk.errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(many.iter().fold("errors:".to_owned(), |text, e| format!("{text}\n  {e}"))),
    }
}

struct Walk {
    path: String,
    errors: Vec<String>,
}

impl Walk {
    fn error(&mut self, text: &str) {
        let error = if self.path.is_empty() { text.to_owned() } else { format!("{}: {text}", self.path) };
        self.errors.push(error);
    }

    fn within(&mut self, step: &str, node: &Node, value: &Value) {
        let length = self.path.len();
        self.path.push_str(step);
        self.value(node, value);
        self.path.truncate(length);
    }

    fn value(&mut self, node: &Node, value: &Value) {
        if value.is_null() {
            return;
        }
        match node.kind() {
            Kind::Any => {}
            Kind::Scalar => self.scalar(node, value),
            Kind::List => match value {
                Value::Array(items) => self.items(node, items),
                other => self.error(&format!("expected list, got &{{{}}}", go_plain(other))),
            },
            Kind::Object | Kind::Map => match value {
                Value::Object(fields) => {
                    for (key, value) in fields {
                        let (child, declared) = under(node, key);
                        if !declared && node.kind() == Kind::Object && !node.preserves_unknown() {
                            let length = self.path.len();
                            self.path.push('.');
                            self.path.push_str(key);
                            self.error("field not declared in schema");
                            self.path.truncate(length);
                        } else {
                            self.within(&format!(".{key}"), child, value);
                        }
                    }
                }
                // Built-in types that hold anything (RawExtension, JSON) are open objects here.
                _ if node.preserves_unknown() => {}
                other => self.error(&format!("expected map, got &{{{}}}", go_plain(other))),
            },
        }
    }

    fn items(&mut self, node: &Node, items: &[Value]) {
        let atomic = node.list_kind() == ListKind::Atomic;
        let mut seen = BTreeSet::new();
        for (at, value) in items.iter().enumerate() {
            if atomic {
                self.within(&format!("[{at}]"), item(node), value);
                continue;
            }
            match step(node, value) {
                Ok(step) => {
                    let text = step.to_string();
                    if !seen.insert(step) {
                        self.error(&format!("duplicate entries for key {text}"));
                    }
                    self.within(&text, item(node), value);
                }
                Err(text) => return self.error(&format!("element {at}: {text}")),
            }
        }
    }

    fn scalar(&mut self, node: &Node, value: &Value) {
        let message = match node.scalar() {
            Some(Scalar::Int32 | Scalar::Int64 | Scalar::Number) if !value.is_number() => {
                format!("expected numeric (int or float), got {}", go_type(value))
            }
            Some(Scalar::String | Scalar::Bytes | Scalar::Duration) if !value.is_string() => {
                format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value))
            }
            Some(Scalar::Boolean) if !value.is_boolean() => format!("expected boolean, got &{{{}}}", go_plain(value)),
            _ if value.is_object() || value.is_array() => format!("expected any scalar, got &{{{}}}", go_plain(value)),
            _ => return,
        };
        self.error(&message);
    }
}

/// The name of the type that Go's decoder gives a value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go's `%v` prints it.
fn go_plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(s) => s.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().map(|(k, v)| format!("{k}:{}", go_plain(v))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
        scalar => scalar.to_string(),
    }
}

/// A value as Go's `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().map(|(k, v)| format!("{k:?}:{}", go_syntax(v))).collect();
            fields.sort();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}
