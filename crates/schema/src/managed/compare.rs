//! What a write added, changed and removed.

use serde_json::{Map, Value};

use super::{
    element::Element,
    set::{FieldSet, Mark},
    types::{Form, form, is_void, item, same, step_or_index, under},
};
use crate::node::Node;

/// The difference of two values of one type. No path is in two of the sets.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Comparison<'a> {
    pub removed: FieldSet<'a>,
    pub modified: FieldSet<'a>,
    pub added: FieldSet<'a>,
}

impl Comparison<'_> {
    /// Leaves out fields with all that lies below them.
    pub(super) fn exclude(&mut self, fields: &FieldSet<'_>) {
        for set in [&mut self.removed, &mut self.modified, &mut self.added] {
            set.subtract_trees(fields);
        }
    }
}

/// Compares an old value with a new one.
pub(super) fn compare<'a>(node: &'a Node, old: &'a Value, new: &'a Value) -> Comparison<'a> {
    let delta = walk(node, Some(old), Some(new));
    Comparison { removed: delta.removed.below, modified: delta.modified.below, added: delta.added.below }
}

#[derive(Default)]
struct Delta<'a> {
    removed: Mark<'a>,
    modified: Mark<'a>,
    added: Mark<'a>,
}

impl<'a> Delta<'a> {
    fn push(&mut self, element: Element<'a>, child: Delta<'a>) {
        let parts = [(&mut self.removed, child.removed), (&mut self.modified, child.modified), (&mut self.added, child.added)];
        let mut used: Vec<_> = parts.into_iter().filter(|(_, mark)| !mark.is_empty()).collect();
        let Some((last, mark)) = used.pop() else { return };
        for (to, mark) in used {
            to.below.push(element.clone(), mark);
        }
        last.below.push(element, mark);
    }

    fn sort(&mut self) {
        for mark in [&mut self.removed, &mut self.modified, &mut self.added] {
            mark.below.sort();
        }
    }
}

fn walk<'a>(node: &'a Node, old: Option<&'a Value>, new: Option<&'a Value>) -> Delta<'a> {
    let forms = match (old, new) {
        (None | Some(Value::Null), new) => [form(node, new); 2],
        (old, None | Some(Value::Null)) => [form(node, old); 2],
        (old, new) => [form(node, old), form(node, new)],
    };
    let mut delta = in_form(node, forms[0], old, new);
    if forms[0] != forms[1] {
        // A value of a deduced type that changed its kind: both views count.
        let other = in_form(node, forms[1], old, new);
        for (to, from) in [(&mut delta.removed, other.removed), (&mut delta.modified, other.modified), (&mut delta.added, other.added)] {
            to.member |= from.member;
            to.below.absorb(from.below);
        }
    }
    delta
}

fn in_form<'a>(node: &'a Node, form: Form, old: Option<&'a Value>, new: Option<&'a Value>) -> Delta<'a> {
    let mut delta = Delta::default();
    let (fields_of, items_of) = (
        |v: Option<&'a Value>| v.and_then(Value::as_object),
        |v: Option<&'a Value>| v.and_then(Value::as_array).map_or(&[][..], Vec::as_slice),
    );
    match form {
        Form::Fields if !(is_void(old) && is_void(new)) => walk_fields(node, fields_of(old), fields_of(new), &mut delta),
        Form::Items if !(is_void(old) && is_void(new)) => walk_items(node, items_of(old), items_of(new), &mut delta),
        _ => {
            if let (Some(old), Some(new)) = (old, new) {
                delta.modified.member = !same(old, new);
            }
        }
    }
    delta.added.member = old.is_none();
    delta.removed.member = new.is_none();
    delta
}

fn walk_fields<'a>(node: &'a Node, old: Option<&'a Map<String, Value>>, new: Option<&'a Map<String, Value>>, delta: &mut Delta<'a>) {
    for (key, value) in old.into_iter().flatten() {
        delta.push(Element::field(key), walk(under(node, key).0, Some(value), new.and_then(|new| new.get(key))));
    }
    for (key, value) in new.into_iter().flatten() {
        if !old.is_some_and(|old| old.contains_key(key)) {
            delta.push(Element::field(key), walk(under(node, key).0, None, Some(value)));
        }
    }
    delta.sort();
}

fn walk_items<'a>(node: &'a Node, old: &'a [Value], new: &'a [Value], delta: &mut Delta<'a>) {
    let mut steps: Vec<(Element<'a>, bool, &'a Value)> = Vec::with_capacity(old.len() + new.len());
    for (is_new, values) in [(false, old), (true, new)] {
        steps.extend(values.iter().enumerate().map(|(at, value)| (step_or_index(node, value, at), is_new, value)));
    }
    // A stable sort: of equal steps the old items come first, each side in its order.
    steps.sort_by(|a, b| a.0.cmp(&b.0));
    for group in steps.chunk_by(|a, b| a.0 == b.0) {
        let (before, after) = group.split_at(group.iter().filter(|(_, is_new, _)| !is_new).count());
        let first = |side: &[(Element<'a>, bool, &'a Value)]| side.first().map(|(_, _, value)| *value);
        let child = match (before.len(), after.len()) {
            (0 | 1, 0 | 1) => walk(item(node), first(before), first(after)),
            // Items that stand more than once are owned together, as a whole.
            (2.., 2..) => {
                let equal = before.len() == after.len() && before.iter().zip(after).all(|(a, b)| same(a.2, b.2));
                Delta { modified: Mark { member: !equal, below: FieldSet::default() }, ..Delta::default() }
            }
            (2.., _) => {
                let mut child = first(after).map(|value| walk(item(node), None, Some(value))).unwrap_or_default();
                child.removed.member = true;
                child
            }
            _ => {
                let mut child = first(before).map(|value| walk(item(node), Some(value), None)).unwrap_or_default();
                child.added.member = true;
                child
            }
        };
        delta.push(group[0].0.clone(), child);
    }
}
