//! What the cells of many kinds have in common.

use comity_core::{Map, Value, duration, object, time};
use jiff::Timestamp;

/// The cells of a row.
pub(super) type Cells = Vec<Value>;

/// The moment for which ages are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub now: Timestamp,
}

impl At {
    /// Time since the object was made.
    pub(super) fn age(self, object: &Value) -> Value {
        self.since(object::str_at(object, &["metadata", "creationTimestamp"])).into()
    }

    /// Time since a moment; `<unknown>` when there is none.
    pub(super) fn since(self, moment: &str) -> String {
        match time::parse(moment) {
            Some(then) => between(then, self.now),
            None => "<unknown>".to_owned(),
        }
    }
}

/// The time between two moments.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    duration::human(to.duration_since(from).as_secs())
}

/// A text, or another one where it is empty.
pub(super) fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

/// A text at a path.
pub(super) fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    object::str_at(object, path)
}

/// A whole number at a path, 0 when absent.
pub(super) fn number(object: &Value, path: &[&str]) -> i64 {
    object::int_at(object, path).unwrap_or(0)
}

/// Whether the value at a path is true.
pub(super) fn flag(object: &Value, path: &[&str]) -> bool {
    object::at(object, path) == Some(&Value::Bool(true))
}

/// A scalar as text: quantities and int-or-strings may be numbers.
pub(super) fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A quantity at a path, `0` when absent.
pub(super) fn quantity(object: &Value, path: &[&str]) -> String {
    object::at(object, path).map_or_else(|| "0".to_owned(), scalar)
}

/// One text of every item, joined by commas.
pub(super) fn joined(items: &[Value], key: &str) -> String {
    items.iter().map(|item| text(item, &[key])).collect::<Vec<_>>().join(",")
}

/// Labels as `a=b,c=d` in order; `<none>` without any.
pub(super) fn labels(labels: Option<&Value>) -> String {
    let mut pairs: Vec<String> =
        labels.and_then(Value::as_object).into_iter().flatten().map(|(key, value)| format!("{key}={}", scalar(value))).collect();
    pairs.sort();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

/// A label selector as text in the order of its keys; empty when it selects everything or is absent.
pub(super) fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector else { return String::new() };
    let none = Map::new();
    let equal = selector.get("matchLabels").and_then(Value::as_object).unwrap_or(&none);
    let mut parts: Vec<(&str, String)> = equal.iter().map(|(key, value)| (key.as_str(), format!("{key}={}", scalar(value)))).collect();
    for expression in object::items_at(selector, &["matchExpressions"]) {
        let key = text(expression, &["key"]);
        let mut values: Vec<&str> = object::items_at(expression, &["values"]).iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let list = values.join(",");
        parts.push((
            key,
            match text(expression, &["operator"]) {
                "In" => format!("{key} in ({list})"),
                "NotIn" => format!("{key} notin ({list})"),
                "DoesNotExist" => format!("!{key}"),
                _ => key.to_owned(),
            },
        ));
    }
    parts.sort_by_key(|(key, _)| *key);
    parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// Names and images of a pod template's containers.
pub(super) fn containers(pod_spec: Option<&Value>) -> [Value; 2] {
    let containers = pod_spec.map_or(&[][..], |spec| object::items_at(spec, &["containers"]));
    [joined(containers, "name").into(), joined(containers, "image").into()]
}

/// The condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object::items_at(object, &["status", "conditions"]).iter().find(|condition| text(condition, &["type"]) == kind)
}

/// The first items of a list, with a count of the others.
pub(super) fn first_of(items: &[String], max: usize, separator: &str) -> String {
    let shown = items.iter().take(max).map(String::as_str).collect::<Vec<_>>().join(separator);
    if items.len() > max { format!("{shown} + {} more...", items.len() - max) } else { shown }
}
