//! The set of fields that a value mentions.

use serde_json::Value;

use super::{
    element::Element,
    set::{FieldSet, Mark},
    types::{Form, form, item, step_or_index, under},
};
use crate::node::Node;

/// Every leaf and list item of a value.
pub(super) fn extract<'a>(node: &'a Node, value: &'a Value) -> FieldSet<'a> {
    mark(node, value).below
}

fn mark<'a>(node: &'a Node, value: &'a Value) -> Mark<'a> {
    match (form(node, Some(value)), value) {
        (Form::Leaf | Form::AtomicList | Form::AtomicMap, _) => Mark::leaf(),
        (Form::Fields, Value::Object(fields)) => {
            let mut below = FieldSet::default();
            for (key, value) in fields {
                let (child, declared) = under(node, key);
                let mut mark = mark(child, value);
                mark.member |= !declared || value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                below.push(Element::field(key), mark);
            }
            below.sort();
            Mark { member: false, below }
        }
        (Form::Items, Value::Array(items)) => Mark { member: false, below: extract_items(node, items) },
        _ => Mark::default(),
    }
}

fn extract_items<'a>(node: &'a Node, items: &'a [Value]) -> FieldSet<'a> {
    let mut steps: Vec<(Element<'a>, &'a Value)> =
        items.iter().enumerate().map(|(at, value)| (step_or_index(node, value, at), value)).collect();
    steps.sort_by(|a, b| a.0.cmp(&b.0));
    let mut below = FieldSet::default();
    // Items that stand more than once are owned together, as a whole.
    for group in steps.chunk_by(|a, b| a.0 == b.0) {
        let mut mark = match group {
            [(_, value)] => mark(item(node), value),
            _ => Mark::default(),
        };
        mark.member = true;
        below.push(group[0].0.clone(), mark);
    }
    below
}

/// The set with every known field as a member that has members below: what removing needs, since removing a field removes what is below it.
pub(super) fn with_fields<'a>(node: &Node, set: &FieldSet<'a>) -> FieldSet<'a> {
    let mut out = FieldSet::default();
    for entry in &set.entries {
        let (child, declared) = match &entry.element {
            Element::Field(name) => under(node, name),
            Element::Key(_) => (item(node), false),
            Element::Value(_) | Element::Index(_) => (super::types::any(), false),
        };
        let member = entry.mark.member || (declared && !entry.mark.below.is_empty());
        out.push(entry.element.clone(), Mark { member, below: with_fields(child, &entry.mark.below) });
    }
    out
}

/// Joins what a set says below a map or list that its type now owns as a whole.
pub(super) fn reconcile(node: &Node, set: &mut FieldSet<'_>) {
    for entry in &mut set.entries {
        if entry.mark.below.is_empty() {
            continue;
        }
        let child = match &entry.element {
            Element::Field(name) => under(node, name).0,
            _ => item(node),
        };
        match form(child, None) {
            Form::AtomicList | Form::AtomicMap => entry.mark = Mark::leaf(),
            _ => reconcile(child, &mut entry.mark.below),
        }
    }
}
