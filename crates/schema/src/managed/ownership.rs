//! How ownership moves when an object changes.

use std::sync::LazyLock;

use serde_json::Value;

use super::{
    Write,
    compare::{Comparison, compare},
    conflict::Conflict,
    entries::{Id, Manager, Managers, Operation, cap},
    extract::reconcile,
    set::FieldSet,
};
use crate::node::Node;

/// Fields that say what an object is; nobody owns them.
static IDENTITY: LazyLock<FieldSet<'static>> = LazyLock::new(|| {
    FieldSet::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// Takes note of a write that was no apply: its manager owns what it changed and nobody else does.
pub(super) fn written<'a>(node: &'a Node, old: &'a Value, new: &'a Value, managers: &mut Managers<'a>, w: &Write<'a>) {
    for manager in managers.iter_mut() {
        reconcile(node, &mut manager.set);
    }
    let mut comparison = compare(node, old, new);
    comparison.exclude(&w.reset());
    disown(managers, None, &comparison);
    let mut own = comparison.added;
    own.absorb(comparison.modified);
    own.subtract(&IDENTITY);
    if !own.is_empty() {
        let id = w.id(Operation::Update);
        let mut manager = match managers.iter().position(|m| m.id == id) {
            Some(at) => managers.swap_remove(at),
            None => Manager { id, time: "".into(), set: FieldSet::default() },
        };
        manager.set.absorb(own);
        // The real server loses the times of entries that came by way of `scale`.
        if w.subresource != "scale" {
            manager.time = w.now.into();
        }
        managers.push(manager);
    }
    cap(managers);
}

/// Gives a manager a new set; answers the one it had.
pub(super) fn replace<'a>(managers: &mut Managers<'a>, id: &Id<'a>, set: FieldSet<'a>) -> Option<FieldSet<'a>> {
    match managers.iter_mut().find(|m| m.id == *id) {
        Some(known) => {
            known.id.api_version = id.api_version;
            Some(std::mem::replace(&mut known.set, set))
        }
        None => {
            managers.push(Manager { id: id.clone(), time: "".into(), set });
            None
        }
    }
}

/// What others own of what an apply adds or changes.
pub(super) fn conflicts<'a>(managers: &Managers<'a>, own: &Id<'_>, comparison: &Comparison<'a>) -> Vec<Conflict<'a>> {
    let others = managers.iter().filter(|m| m.id != *own);
    let found = others.filter_map(|manager| {
        let mut fields = manager.set.intersection(&comparison.modified);
        fields.absorb(manager.set.intersection(&comparison.added));
        (!fields.is_empty()).then(|| Conflict { with: manager.id.clone(), fields })
    });
    found.collect()
}

/// Takes what a write changed or removed from everybody but its own manager; who owns nothing any more is gone.
pub(super) fn disown(managers: &mut Managers<'_>, own: Option<&Id<'_>>, comparison: &Comparison<'_>) {
    managers.retain_mut(|manager| {
        if own.is_none_or(|own| manager.id != *own) {
            manager.set.subtract(&comparison.removed);
            manager.set.subtract(&comparison.modified);
            manager.set.subtract(&comparison.added);
        }
        !manager.set.is_empty()
    });
}

/// Takes the fields that say what the object is from a manager.
pub(super) fn strip(managers: &mut Managers<'_>, id: &Id<'_>) {
    managers.retain_mut(|manager| {
        if manager.id == *id {
            manager.set.subtract(&IDENTITY);
        }
        !manager.set.is_empty()
    });
}
