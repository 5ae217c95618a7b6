//! Keeps the status of definitions and the registry as the stored definitions say.

use std::{collections::HashMap, sync::Arc};

use comity_core::{GroupVersionKind, Status, Value, condition, object};
use comity_schema::{builtin, managed};
use comity_store::{Entry, Expect, Key, WriteError};

use super::{cleanup, served, status};
use crate::cx::Cx;

/// Where definitions are in the store.
pub const STORED: &str = "apiextensions.k8s.io/customresourcedefinitions";

/// What was registered for each definition, so that a status write compiles no schema again.
pub type Registered = HashMap<String, Fingerprint>;

/// What the served resources depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    uid: String,
    generation: i64,
    names: Value,
    established: bool,
    ending: bool,
}

impl Fingerprint {
    fn of(definition: &Value) -> Self {
        Self {
            uid: object::uid(definition).to_owned(),
            generation: object::generation(definition),
            names: object::at(definition, &["status", "acceptedNames"]).cloned().unwrap_or_default(),
            established: status::is_established(definition),
            ending: object::is_deleting(definition) || condition::is_true(definition, "Terminating"),
        }
    }
}

/// Brings one definition's status and resources up to date, then those that waited for its names.
///
/// # Errors
/// The store refuses a write.
pub async fn definition(cx: &Cx, name: &str, group: &str) -> Result<(), Status> {
    let mut registered = cx.crd.registered.lock().await;
    one(cx, name, &mut registered).await?;
    // A name that became free may be one that another definition of the group waits for.
    for other in others(cx, name, group) {
        if condition::find(&other, "NamesAccepted").is_some_and(|c| c["status"] == "False") {
            one(cx, object::name(&other), &mut registered).await?;
        }
    }
    Ok(())
}

/// All definitions, at the start.
///
/// # Errors
/// The store refuses a write.
pub async fn all(cx: &Cx) -> Result<(), Status> {
    let mut registered = cx.crd.registered.lock().await;
    for entry in cx.store.list(STORED, None).entries {
        one(cx, &entry.key.name, &mut registered).await?;
    }
    Ok(())
}

async fn one(cx: &Cx, name: &str, registered: &mut Registered) -> Result<(), Status> {
    let key = Key::new(STORED, "", name);
    let definition = loop {
        let Some(entry) = cx.store.get(&key) else {
            if registered.remove(name).is_some() {
                cx.registry.set_custom(name, Vec::new());
            }
            return Ok(());
        };
        let mut definition = entry.object();
        let next = status::next(&definition, &others(cx, name, object::str_at(&definition, &["spec", "group"])), &cx.now_text());
        if object::is_deleting(&definition) || definition.get("status") == Some(&next) {
            break definition;
        }
        definition["status"] = next;
        if let Some(stored) = put(cx, &entry, definition).await? {
            break stored.object();
        }
    };
    let fingerprint = Fingerprint::of(&definition);
    if registered.get(name) != Some(&fingerprint) {
        cx.registry.set_custom(name, served::resources(&definition));
        registered.insert(name.to_owned(), fingerprint);
    }
    if object::is_deleting(&definition) && object::finalizers(&definition).any(|f| f == status::FINALIZER) {
        cleanup::start(cx, name, object::uid(&definition));
    }
    Ok(())
}

/// The other definitions of a group; only those are parsed.
fn others(cx: &Cx, name: &str, group: &str) -> Vec<Value> {
    let suffix = format!(".{group}");
    let entries = cx.store.list(STORED, None).entries;
    entries.iter().filter(|e| &*e.key.name != name && e.key.name.ends_with(&suffix)).map(|e| e.object()).collect()
}

/// Writes a definition's status on the state it was read in; nothing when that is not the present one any more.
///
/// # Errors
/// The store refuses the write.
pub async fn put(cx: &Cx, entry: &Entry, definition: Value) -> Result<Option<Arc<Entry>>, Status> {
    let definition = owned(cx, &entry.object(), definition);
    match cx.store.put(entry.key.clone(), Expect::Rev(entry.rev), &definition).await {
        Ok(entry) => Ok(Some(entry)),
        Err(WriteError::Conflict { .. }) => Ok(None),
        Err(error) => Err(Status::internal(format!("writing {}: {error}", entry.key))),
    }
}

/// The definition with the status owned by the server, as a client's write would have it.
fn owned(cx: &Cx, live: &Value, definition: Value) -> Value {
    let kind = GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let Some(schema) = builtin::table().type_schema(&kind) else { return definition };
    let (now, version) = (cx.now_text(), kind.api_version());
    let write = managed::Write { manager: "kube-apiserver", api_version: &version, subresource: "status", now: &now, reset: &["spec"] };
    let mut definition = managed::update(&schema, Some(live), definition, &write);
    schema.canonicalize(&mut definition);
    managed::keep_times(live, &mut definition);
    definition
}
