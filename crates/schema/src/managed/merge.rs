//! Merges a configuration into a live object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    element::Element,
    types::{Form, form, is_void, item, step_or_index, under},
};
use crate::node::Node;

/// The live value with the configuration's values put in. Nothing is removed.
///
/// Lists that are owned item by item keep the live order where the configuration does not ask for another.
pub(super) fn merge(node: &Node, live: &Value, config: &Value) -> Value {
    match (form(node, Some(config)), live, config) {
        (Form::Fields, Value::Object(old), Value::Object(new)) if !old.is_empty() || !new.is_empty() => {
            Value::Object(merge_fields(node, old, new, ""))
        }
        (Form::Items, Value::Array(old), Value::Array(new)) if !old.is_empty() || !new.is_empty() => {
            Value::Array(merge_items(node, old, new))
        }
        // A null or empty map or list on the configuration's side takes nothing away from a live one.
        (Form::Fields, live @ Value::Object(_), config) if is_void(Some(config)) && !is_void(Some(live)) => live.clone(),
        (Form::Items, live @ Value::Array(_), config) if is_void(Some(config)) && !is_void(Some(live)) => live.clone(),
        _ => config.clone(),
    }
}

/// Merges whole objects; who owns what (`metadata.managedFields`) is left out.
pub(super) fn merge_object(node: &Node, live: &Value, config: &Value) -> Value {
    let (Value::Object(live), Value::Object(config)) = (live, config) else { return config.clone() };
    let nothing = Map::new();
    let mut out = Map::with_capacity(live.len() + config.len());
    for (key, old) in live {
        let value = match (key.as_str(), old, config.get(key)) {
            ("metadata", Value::Object(old), new) => {
                let new = new.and_then(Value::as_object).unwrap_or(&nothing);
                Value::Object(merge_fields(under(node, key).0, old, new, "managedFields"))
            }
            (_, old, Some(new)) => merge(under(node, key).0, old, new),
            (_, old, None) => old.clone(),
        };
        out.insert(key.clone(), value);
    }
    for (key, new) in config {
        if !live.contains_key(key) {
            out.insert(key.clone(), new.clone());
        }
    }
    Value::Object(out)
}

fn merge_fields(node: &Node, live: &Map<String, Value>, config: &Map<String, Value>, without: &str) -> Map<String, Value> {
    let mut out = Map::with_capacity(live.len() + config.len());
    for (key, old) in live {
        if key == without {
            continue;
        }
        let value = config.get(key).map_or_else(|| old.clone(), |new| merge(under(node, key).0, old, new));
        out.insert(key.clone(), value);
    }
    for (key, new) in config {
        if !live.contains_key(key) {
            out.insert(key.clone(), new.clone());
        }
    }
    out
}

fn steps<'a>(node: &'a Node, values: &'a [Value]) -> Vec<Element<'a>> {
    values.iter().enumerate().map(|(at, value)| step_or_index(node, value, at)).collect()
}

fn merge_items(node: &Node, live: &[Value], config: &[Value]) -> Vec<Value> {
    let (old, new) = (steps(node, live), steps(node, config));
    // Where each step stands; a live item that stands more than once (None) does not merge.
    let mut in_live: BTreeMap<&Element<'_>, Option<usize>> = BTreeMap::new();
    for (at, step) in old.iter().enumerate() {
        in_live.entry(step).and_modify(|place| *place = None).or_insert(Some(at));
    }
    let in_config: BTreeMap<&Element<'_>, usize> = new.iter().enumerate().map(|(at, step)| (step, at)).collect();
    let joined = |step: &Element<'_>, at: usize| match in_live.get(step) {
        Some(Some(place)) => merge(item(node), &live[*place], &config[at]),
        _ => config[at].clone(),
    };
    let mut shared = new.iter().filter(|step| in_live.contains_key(step));
    let mut next_shared = shared.next();
    let mut taken: BTreeSet<&Element<'_>> = BTreeSet::new();
    let mut out = Vec::with_capacity(live.len().max(config.len()));
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() {
            if old[i] == new[j] {
                taken.insert(&new[j]);
                out.push(joined(&new[j], j));
                i += 1;
                j += 1;
                next_shared = shared.next();
                continue;
            }
            // An item of both sides whose turn has not come.
            if in_config.contains_key(&old[i]) && next_shared.is_some_and(|next| *next != old[i]) {
                i += 1;
                continue;
            }
        }
        if i < old.len() {
            if !in_config.contains_key(&old[i]) {
                out.push(live[i].clone());
                i += 1;
                continue;
            }
            if taken.contains(&old[i]) {
                i += 1;
            }
        }
        if j < new.len() {
            taken.insert(&new[j]);
            out.push(joined(&new[j], j));
            if next_shared == Some(&new[j]) {
                next_shared = shared.next();
            }
            j += 1;
        }
    }
    out
}
