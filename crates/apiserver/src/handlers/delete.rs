//! `delete`: one object, at once, after a grace period, or after its finalizers.

use std::sync::Arc;

use comity_core::{Map, Status, Value, json, object};
use comity_store::{Entry, Expect, Key, WriteError};
use jiff::{SignedDuration, Timestamp};

use super::{
    delete_options::{DeleteOptions, Propagation},
    get, render,
    write::{Write, store_failed},
    write_options::{FieldValidation, WriteOptions},
};
use crate::{answer::Answer, convert, kinds, registry::Resource, request::Request};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

const JOB_WARNING: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set \
     propagationPolicy=Orphan to suppress this warning";

/// What became of a deletion.
pub enum Deleted {
    /// It is gone; this was its last state.
    Gone(Arc<Entry>),
    /// It would be gone (a dry run).
    WouldBeGone(Value),
    /// It waits: for a grace period or for finalizers.
    Waits(Arc<Entry>),
    /// It would wait (a dry run).
    WouldWait(Value),
}

/// Deletes the object that the request names.
///
/// # Errors
/// As the API states them.
pub async fn delete(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    request.accept.object()?;
    let options = DeleteOptions::parse(request)?;
    if &*resource.storage == "batch/jobs" && options.propagation.is_none() && options.orphan_dependents.is_none() {
        request.warnings.add(JOB_WARNING);
    }
    let deleted = delete_object(request, resource, &get::key(request, resource), &options).await?;
    match deleted {
        Deleted::Waits(entry) => {
            let code = if options.orphan_dependents == Some(false) { 202 } else { 200 };
            render::entry(request, resource, code, &entry)
        }
        Deleted::WouldWait(value) => render::object(request, resource, 200, value),
        Deleted::Gone(entry) if resource.info.strategy.returns_deleted => render::entry(request, resource, 200, &entry),
        Deleted::WouldBeGone(value) if resource.info.strategy.returns_deleted => render::object(request, resource, 200, value),
        Deleted::Gone(entry) => render::other(request, 200, &success(resource, &entry.key.name, &entry.facts.uid)),
        Deleted::WouldBeGone(value) => render::other(request, 200, &success(resource, object::name(&value), object::uid(&value))),
    }
}

/// `Status` of a deletion that went through.
fn success(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = Map::new();
    for (key, value) in [("name", name), ("group", &resource.info.group), ("kind", &resource.info.plural), ("uid", uid)] {
        if !value.is_empty() {
            details.insert(key.to_owned(), value.into());
        }
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Deletes one object, again on each newer state until it holds.
///
/// # Errors
/// As the API states them.
pub async fn delete_object(request: &Request, resource: &Arc<Resource>, key: &Key, options: &DeleteOptions) -> Result<Deleted, Status> {
    let write_options =
        WriteOptions { dry_run: options.dry_run, manager: String::new(), validation: FieldValidation::Ignore, force: false };
    let mut write = Write::new(request, resource, write_options);
    write.namespace = &key.namespace;
    let store = &request.cx.store;
    loop {
        let entry = store.get(key).ok_or_else(|| Status::not_found(&resource.group_resource(), &key.name))?;
        check_preconditions(resource, &entry, options)?;
        let mut old = entry.object();
        convert::to_served(resource, &mut old);
        write.admit_delete(&key.name, &old).await?;
        let mut new = old.clone();
        let step = kinds::deletion(resource, &mut new, options, request.cx.now())
            .unwrap_or_else(|| plan(resource, &mut new, options, request.cx.now()));
        write.canonical(&mut new);
        match step {
            Step::Pending => return Ok(if options.dry_run { Deleted::WouldWait(old) } else { Deleted::Waits(entry) }),
            Step::Mark if options.dry_run => return Ok(Deleted::WouldWait(new)),
            Step::Remove if options.dry_run => return Ok(Deleted::WouldBeGone(new)),
            Step::Mark => {
                convert::to_stored(resource, &mut new);
                match store.put(key.clone(), Expect::Rev(entry.rev), &new).await {
                    Ok(entry) => {
                        if let Some(hooks) = kinds::hooks(resource) {
                            hooks.stored(&request.cx, Some(&entry.object()), Some(&old)).await;
                        }
                        return Ok(Deleted::Waits(entry));
                    }
                    Err(WriteError::Conflict { .. }) => {}
                    Err(error) => return Err(store_failed(&error)),
                }
            }
            Step::Remove => {
                convert::to_stored(resource, &mut new);
                match store.delete(key.clone(), Expect::Rev(entry.rev), Some(&new)).await {
                    Ok(entry) => {
                        if let Some(hooks) = kinds::hooks(resource) {
                            hooks.stored(&request.cx, None, Some(&old)).await;
                        }
                        return Ok(Deleted::Gone(entry));
                    }
                    Err(WriteError::Conflict { .. }) => {}
                    Err(error) => return Err(store_failed(&error)),
                }
            }
        }
    }
}

fn check_preconditions(resource: &Resource, entry: &Entry, options: &DeleteOptions) -> Result<(), Status> {
    // The kind stands where the resource would be: that is how the API writes these two.
    let named = comity_core::GroupResource::new(&resource.info.group, &resource.info.kind);
    if let Some(uid) = &options.uid
        && **uid != *entry.facts.uid
    {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            entry.facts.uid
        );
        return Err(Status::conflict(&named, &entry.key.name, &why));
    }
    if let Some(version) = &options.resource_version
        && *version != entry.rev.to_string()
    {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
            entry.rev
        );
        return Err(Status::conflict(&named, &entry.key.name, &why));
    }
    Ok(())
}

/// What a deletion does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is being deleted already, and nothing changes.
    Pending,
    /// It is marked and waits.
    Mark,
    /// It goes.
    Remove,
}

/// Decides the step and prepares the object for it.
pub fn plan(resource: &Resource, object: &mut Value, options: &DeleteOptions, now: Timestamp) -> Step {
    let graceful = match resource.info.strategy.graceful_delete {
        false => None,
        true => match grace(object, options, now) {
            Grace::Pending => return Step::Pending,
            Grace::None => None,
            Grace::Seconds(seconds) => Some(seconds),
        },
    };
    set_finalizers(resource, object, options);
    let held = object::finalizers(object).next().is_some();
    match graceful {
        Some(seconds) if held || seconds > 0 => Step::Mark,
        Some(_) => Step::Remove,
        None if held => {
            let marked = object::is_deleting(object) && object::int_at(object, &["metadata", "deletionGracePeriodSeconds"]) == Some(0);
            mark(object, now);
            if marked { Step::Pending } else { Step::Mark }
        }
        None => Step::Remove,
    }
}

/// Sets the time of deletion.
pub fn mark(object: &mut Value, now: Timestamp) {
    raise_generation(object);
    let before = comity_core::time::parse(object::str_at(object, &["metadata", "deletionTimestamp"]));
    if before.is_none_or(|before| before > now) {
        object::set(object, &["metadata", "deletionTimestamp"], comity_core::time::rfc3339(now).into());
    }
    object::set(object, &["metadata", "deletionGracePeriodSeconds"], 0.into());
}

fn raise_generation(object: &mut Value) {
    let generation = object::generation(object);
    if !object::is_deleting(object) && generation > 0 {
        object::set(object, &["metadata", "generation"], (generation + 1).into());
    }
}

enum Grace {
    Pending,
    None,
    Seconds(i64),
}

/// The grace period of a Pod.
fn grace(pod: &mut Value, options: &DeleteOptions, now: Timestamp) -> Grace {
    let set_deadline = |pod: &mut Value, at: Timestamp, seconds: i64| {
        object::set(pod, &["metadata", "deletionTimestamp"], comity_core::time::rfc3339(at).into());
        object::set(pod, &["metadata", "deletionGracePeriodSeconds"], seconds.into());
    };
    let later = |seconds: i64| SignedDuration::from_secs(seconds);
    if let Some(deadline) = comity_core::time::parse(object::str_at(pod, &["metadata", "deletionTimestamp"])) {
        let current = match object::int_at(pod, &["metadata", "deletionGracePeriodSeconds"]) {
            None | Some(0) => return Grace::None,
            Some(seconds) => seconds.max(1),
        };
        let Some(mut seconds) = options.grace_seconds else { return Grace::Pending };
        if seconds >= current {
            return Grace::Pending;
        }
        let mut at = deadline - later(current) + later(seconds);
        if at < now {
            at = now;
            if seconds != 0 {
                seconds = 1;
            }
        }
        set_deadline(pod, at, seconds);
        return Grace::Seconds(seconds);
    }
    let mut seconds = options.grace_seconds.or_else(|| object::int_at(pod, &["spec", "terminationGracePeriodSeconds"])).unwrap_or(0);
    let ended = matches!(object::str_at(pod, &["status", "phase"]), "Failed" | "Succeeded");
    if object::str_at(pod, &["spec", "nodeName"]).is_empty() || ended {
        seconds = 0;
    }
    if seconds < 0 {
        seconds = 1;
    }
    raise_generation(pod);
    set_deadline(pod, now + later(seconds), seconds);
    Grace::Seconds(seconds)
}

/// Adds or takes away the garbage collector's finalizers, as the options say.
fn set_finalizers(resource: &Resource, object: &mut Value, options: &DeleteOptions) {
    if &*resource.storage == "events" {
        return;
    }
    let has = |name: &str| object::finalizers(object).any(|f| f == name);
    let explicit = options.orphan_dependents.is_some() || options.propagation.is_some();
    let (orphan, foreground) = if let Some(orphan) = options.orphan_dependents {
        (orphan, false)
    } else if explicit {
        (options.propagation == Some(Propagation::Orphan), options.propagation == Some(Propagation::Foreground))
    } else if has(ORPHAN) {
        (true, false)
    } else if has(FOREGROUND) {
        (false, true)
    } else {
        (resource.info.strategy.orphans_by_default, false)
    };
    if orphan == has(ORPHAN) && foreground == has(FOREGROUND) {
        return;
    }
    let mut finalizers: Vec<Value> = object::finalizers(object).filter(|f| *f != ORPHAN && *f != FOREGROUND).map(Value::from).collect();
    if orphan {
        finalizers.push(ORPHAN.into());
    }
    if foreground {
        finalizers.push(FOREGROUND.into());
    }
    if finalizers.is_empty() {
        object::remove(object, &["metadata", "finalizers"]);
    } else {
        object::set(object, &["metadata", "finalizers"], Value::Array(finalizers));
    }
}
