//! A definition on its way out: first its objects, then the definition itself.

use std::sync::Arc;

use bytes::Bytes;
use comity_core::{Status, Value, condition, object};
use comity_store::{Entry, Expect, Key};
use http_body_util::Full;

use super::{
    status::{self, FINALIZER},
    sync,
};
use crate::{
    cx::Cx,
    serve,
    user::{Identity, User},
};

/// Starts the work, once per definition.
pub fn start(cx: &Cx, name: &str, uid: &str) {
    let (name, uid) = (name.to_owned(), uid.to_owned());
    if !cx.crd.ending.lock().insert(uid.clone()) {
        return;
    }
    let cx = cx.clone();
    tokio::spawn(async move {
        let work = run(&cx, &name, &uid);
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = cx.stopping.cancelled() => Ok(()),
        };
        cx.crd.ending.lock().remove(&uid);
        if let Err(error) = outcome {
            tracing::error!(definition = %name, %error, "the objects of a definition could not be removed; it is tried again when the definition changes or the server starts");
        }
    });
}

async fn run(cx: &Cx, name: &str, uid: &str) -> Result<(), Status> {
    let in_progress = ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress");
    let Some(definition) = tell(cx, name, uid, in_progress).await? else { return Ok(()) };
    let done = if status::is_established(&definition) {
        if let Err(error) = remove_objects(cx, &definition).await {
            let text = format!("could not issue all deletes: {error}");
            tell(cx, name, uid, ("True", "InstanceDeletionFailed", &text)).await?;
            return Err(error);
        }
        ("False", "InstanceDeletionCompleted", "removed all instances")
    } else {
        ("False", "NeverEstablished", "resource was never established")
    };
    release(cx, name, uid, done).await
}

/// Writes the condition `Terminating`; nothing when the definition is gone already.
async fn tell(cx: &Cx, name: &str, uid: &str, condition: (&str, &str, &str)) -> Result<Option<Value>, Status> {
    loop {
        let Some((entry, mut definition)) = current(cx, name, uid) else { return Ok(None) };
        if !set_condition(cx, &mut definition, condition) {
            return Ok(Some(definition));
        }
        if let Some(stored) = sync::put(cx, &entry, definition.clone()).await? {
            return Ok(Some(stored.object()));
        }
    }
}

/// Takes the finalizer away, which is the end of the definition unless others hold it.
async fn release(cx: &Cx, name: &str, uid: &str, condition: (&str, &str, &str)) -> Result<(), Status> {
    loop {
        let Some((entry, mut definition)) = current(cx, name, uid) else { break };
        set_condition(cx, &mut definition, condition);
        if let Some(finalizers) = object::map_mut(&mut definition["metadata"]).get_mut("finalizers").and_then(Value::as_array_mut) {
            finalizers.retain(|f| f != FINALIZER);
        }
        let written = if object::finalizers(&definition).next().is_none() {
            object::remove(&mut definition, &["metadata", "finalizers"]);
            match cx.store.delete(entry.key.clone(), Expect::Rev(entry.rev), Some(&definition)).await {
                Ok(_) => true,
                Err(comity_store::WriteError::Conflict { .. }) => false,
                Err(error) => return Err(Status::internal(format!("deleting {}: {error}", entry.key))),
            }
        } else {
            sync::put(cx, &entry, definition.clone()).await?.is_some()
        };
        if written {
            return sync::definition(cx, name, object::str_at(&definition, &["spec", "group"])).await;
        }
    }
    Ok(())
}

fn current(cx: &Cx, name: &str, uid: &str) -> Option<(Arc<Entry>, Value)> {
    let entry = cx.store.get(&Key::new(sync::STORED, "", name))?;
    let definition = entry.object();
    let ours = object::uid(&definition) == uid && object::finalizers(&definition).any(|f| f == FINALIZER);
    ours.then_some((entry, definition))
}

fn set_condition(cx: &Cx, definition: &mut Value, (state, reason, message): (&str, &str, &str)) -> bool {
    let mut conditions = object::items_at(definition, &["status", "conditions"]).to_vec();
    let changed = condition::set(&mut conditions, "Terminating", state, reason, message, &cx.now_text());
    object::set(definition, &["status", "conditions"], Value::Array(conditions));
    changed
}

/// Deletes all objects through the API, so that their finalizers count, and waits until none is left.
async fn remove_objects(cx: &Cx, definition: &Value) -> Result<(), Status> {
    let group = object::str_at(definition, &["spec", "group"]);
    let plural = object::str_at(definition, &["status", "acceptedNames", "plural"]);
    let version = served_version(definition).unwrap_or("");
    let resource = format!("{group}/{plural}");
    let listing = cx.store.list(&resource, None);
    let mut namespaces: Vec<Arc<str>> = listing.entries.iter().map(|e| e.key.namespace.clone()).collect();
    namespaces.dedup();
    for namespace in namespaces {
        let path = match &*namespace {
            "" => format!("/apis/{group}/{version}/{plural}"),
            namespace => format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}"),
        };
        let request = http::Request::delete(&path).body(Full::<Bytes>::default()).map_err(Status::internal)?;
        let response = serve::serve(cx, &Identity::Known(User::system("system:apiserver")), request).await;
        if !response.status().is_success() {
            return Err(Status::internal(format!("DELETE {path} answered {}", response.status())));
        }
    }
    loop {
        let listing = cx.store.list(&resource, None);
        if listing.entries.is_empty() {
            return Ok(());
        }
        if let Ok(mut cursor) = cx.store.watch(&resource, listing.rev) {
            drop(cursor.next_batch().await);
        }
    }
}

/// Any version through which the objects can be reached.
fn served_version(definition: &Value) -> Option<&str> {
    object::items_at(definition, &["spec", "versions"]).iter().find(|v| v["served"] == true)?["name"].as_str()
}
