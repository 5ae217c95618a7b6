//! Takes away what a manager applied before and does not apply any more.

use serde_json::{Map, Value};

use super::{
    entries::{Id, Managers},
    extract::{extract, with_fields},
    remove::remove,
    set::FieldSet,
};
use crate::node::Node;

/// The merged object without the fields and items that the manager applied last time, not this time, and that nobody else owns.
pub(super) fn prune(node: &Node, merged: Value, last: &FieldSet<'_>, managers: &Managers<'_>, own: &Id<'_>) -> Value {
    if managers.iter().find(|m| m.id == *own).is_some_and(|m| last.is_subset(&m.set)) {
        return merged;
    }
    let last = with_fields(node, last);
    let mut owned = FieldSet::default();
    for manager in managers {
        owned.absorb(manager.set.clone());
    }
    let owned = with_fields(node, &owned);
    let all = with_fields(node, &extract(node, &merged));

    // Without all it applied before; then again with what somebody owns; then again with what it had not applied itself.
    let bare = less(node, &merged, &last);
    let unowned = all.clone().without(&with_fields(node, &extract(node, &bare))).without(&owned);
    let kept = less(node, &merged, &unowned);
    let gone = all.without(&with_fields(node, &extract(node, &kept))).intersection(&last);
    if gone.is_empty() { merged.clone() } else { less(node, &merged, &gone) }
}

fn less(node: &Node, value: &Value, set: &FieldSet<'_>) -> Value {
    let mut out = value.clone();
    if remove(node, &mut out, set) {
        out = Value::Object(Map::new());
    }
    out
}
