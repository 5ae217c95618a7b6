//! Server-side apply and `metadata.managedFields`: who owns which field, and what follows from it.
//!
//! [`apply`] and [`update`] are called with the object as the request leaves it: decoded, defaulted, before admission and before the
//! server fills in what only it knows (uid, cluster IPs), so that those fields belong to nobody.
//! All versions of a group are taken to have the same fields.

mod check;
mod compare;
mod conflict;
mod element;
mod entries;
mod extract;
mod fields_v1;
mod last_applied;
mod merge;
mod ownership;
mod prune;
mod remove;
mod reset;
mod set;
mod types;

use comity_core::{Map, Reason, Status, Value, object};

pub use element::{Element, Keys, Scalar};
pub use reset::reset_fields;
pub use set::FieldSet;

use crate::Schema;
use entries::{Id, Operation};

/// What is known about a write.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Who writes: the request's `fieldManager`, else the User-Agent up to its `/`.
    pub manager: &'a str,
    /// The version in which it is written, such as `apps/v1`.
    pub api_version: &'a str,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the write, RFC 3339 to the second in UTC.
    pub now: &'a str,
    /// Fields that this endpoint does not own, as dotted paths; see [`reset_fields`].
    pub reset: &'a [&'a str],
}

impl<'a> Write<'a> {
    fn id(&self, operation: Operation) -> Id<'a> {
        let name = if self.manager.is_empty() { "unknown" } else { self.manager };
        Id { name, operation, api_version: self.api_version, subresource: self.subresource }
    }

    fn reset(&self) -> FieldSet<'a> {
        let mut set = FieldSet::default();
        for path in self.reset {
            set.insert(&path.split('.').map(Element::field).collect::<Vec<_>>());
        }
        set
    }
}

/// Server-side apply: merges a configuration into the live object (none: creates it) and keeps track of who owns what.
///
/// Answers the object to go on with (defaulting and validation follow), or nothing when the apply changes nothing at all.
/// When later steps show that only times changed, [`keep_times`] undoes that.
///
/// # Errors
/// 409 with one cause per conflict when the configuration sets fields that others own to other values and `force` is false;
/// 400 or 500 when the configuration is not of the type.
pub fn apply(schema: &Schema, live: Option<&Value>, config: &Value, force: bool, w: &Write<'_>) -> Result<Option<Value>, Status> {
    let kind = object::gvk(config);
    if kind.api_version() != w.api_version {
        return Err(Status::bad_request(format!("invalid object type: {kind}")));
    }
    let mut stripped = None;
    match object::at(config, &["metadata", "managedFields"]) {
        Some(Value::Array(entries)) if !entries.is_empty() => return Err(Status::bad_request("metadata.managedFields must be nil")),
        Some(_) => {
            let config = stripped.insert(config.clone());
            object::remove(config, &["metadata", "managedFields"]);
        }
        None => {}
    }
    let config = stripped.as_ref().unwrap_or(config);
    let node = schema.root();
    check::check(node, config).map_err(|text| {
        let (namespace, name) = (object::namespace(config), object::name(config));
        Status::new(Reason::Unknown, format!("failed to create typed patch object ({namespace}/{name}; {kind}): {text}"))
    })?;

    let nothing = Value::Object(Map::new());
    let blank;
    let base = live.unwrap_or(&nothing);
    let stored = object::at(base, &["metadata", "managedFields"]);
    let mut managers =
        entries::decode(stored).map_err(|e| Status::new(Reason::Unknown, format!("failed to decode managed fields: {e}")))?;
    if managers.is_empty() && live.is_some() {
        let before = Write { manager: "before-first-apply", ..*w };
        blank = blank_of(schema);
        ownership::written(node, &blank, base, &mut managers, &before);
    }
    for manager in &mut managers {
        extract::reconcile(node, &mut manager.set);
    }

    let id = w.id(Operation::Apply);
    let merged = merge::merge_object(node, base, config);
    let mut set = extract::extract(node, config);
    set.subtract_trees(&w.reset());
    let last = ownership::replace(&mut managers, &id, set);
    let mut merged = match last {
        Some(last) => prune::prune(node, merged, &last, &managers, &id),
        None => merged,
    };
    let mut comparison = compare::compare(node, base, &merged);
    comparison.exclude(&w.reset());
    if !force {
        let mut conflicts = ownership::conflicts(&managers, &id, &comparison);
        if !conflicts.is_empty() && w.manager == last_applied::MANAGER {
            conflicts = last_applied::settle(node, base, w.api_version, conflicts);
        }
        if !conflicts.is_empty() {
            return Err(conflict::to_status(conflicts));
        }
    }
    ownership::disown(&mut managers, Some(&id), &comparison);
    ownership::strip(&mut managers, &id);
    drop(comparison);
    let changed = live.is_none() || !same_without_entries(base, &merged);
    if changed && let Some(own) = managers.iter_mut().find(|m| m.id == id) {
        own.time = w.now.into();
    }
    let entries = entries::encode(managers);
    if w.manager == last_applied::MANAGER {
        last_applied::refresh(&mut merged, config);
    }
    if entries.as_ref() == stored && (!changed || same_without_entries(base, &merged)) {
        return Ok(None);
    }
    put(&mut merged, entries);
    Ok(Some(merged))
}

/// Every other write: answers the new object with `metadata.managedFields` brought up to date. `live` is none for a create.
///
/// Entries that the client sends count (an empty list or one empty entry forgets everything), except on subresources.
pub fn update(schema: &Schema, live: Option<&Value>, mut new: Value, w: &Write<'_>) -> Value {
    let given = object::remove(&mut new, &["metadata", "managedFields"]);
    let entries = updated(schema, live, &new, given.as_ref(), w);
    put(&mut new, entries);
    new
}

fn updated(schema: &Schema, live: Option<&Value>, new: &Value, given: Option<&Value>, w: &Write<'_>) -> Option<Value> {
    let nothing;
    let base = match live {
        Some(live) => live,
        None => {
            nothing = blank_of(schema);
            &nothing
        }
    };
    let stored = || entries::decode(object::at(base, &["metadata", "managedFields"])).unwrap_or_default();
    let mut managers = if !w.subresource.is_empty() {
        stored()
    } else if given.is_some_and(is_reset) {
        Vec::new()
    } else {
        match entries::decode(given) {
            Ok(managers) if !managers.is_empty() => managers,
            _ => stored(),
        }
    };
    // An object that nobody is known to own stays so until its first apply.
    if managers.is_empty() && !object::uid(base).is_empty() {
        return None;
    }
    ownership::written(schema.root(), base, new, &mut managers, w);
    entries::encode(managers)
}

/// The object before it was made: parts that every object of the type has are nobody's doing.
fn blank_of(schema: &Schema) -> Value {
    let mut blank = Value::Object(Map::new());
    schema.canonicalize(&mut blank);
    blank
}

/// Whether a client asks to forget all entries: an empty list, or one empty entry.
fn is_reset(entries: &Value) -> bool {
    match entries.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => one.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

/// Takes back new times of managers when nothing else differs from the stored object: such a write is none.
pub fn keep_times(old: &Value, new: &mut Value) {
    let entries = |object| object::items_at(object, &["metadata", "managedFields"]);
    let (before, after) = (entries(old), entries(new));
    let alike = |a: &Value, b: &Value| {
        let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return false };
        let fields = |m: &Map<String, Value>| m.len() - usize::from(m.contains_key("time"));
        fields(a) == fields(b) && a.iter().all(|(key, value)| key == "time" || b.get(key) == Some(value))
    };
    if before.is_empty() || before.len() != after.len() || before == after || !before.iter().zip(after).all(|(a, b)| alike(a, b)) {
        return;
    }
    if same_without_entries(old, new) {
        object::set(new, &["metadata", "managedFields"], Value::Array(before.to_vec()));
    }
}

/// Equality of two objects without regard to their entries.
fn same_without_entries(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return false };
    let rest = |m: &Map<String, Value>, without: &str| m.len() - usize::from(m.contains_key(without));
    let same_metadata = match (a.get("metadata"), b.get("metadata")) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            rest(a, "managedFields") == rest(b, "managedFields")
                && a.iter().all(|(key, value)| key == "managedFields" || b.get(key).is_some_and(|other| types::same(value, other)))
        }
        (a, b) => a == b,
    };
    same_metadata
        && rest(a, "metadata") == rest(b, "metadata")
        && a.iter().all(|(key, value)| key == "metadata" || b.get(key).is_some_and(|other| types::same(value, other)))
}

/// Sets or removes the entries; they stand last in the metadata.
fn put(object: &mut Value, entries: Option<Value>) {
    object::remove(object, &["metadata", "managedFields"]);
    if let Some(entries) = entries {
        object::set(object, &["metadata", "managedFields"], entries);
    }
}
