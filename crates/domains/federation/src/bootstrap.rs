//! What a hub needs before its first federated object: the system namespace, definitions and type configurations.

use std::time::Duration;

use comity_api_kubefed::{crds, keys, type_config};
use comity_core::{GroupVersionResource, Value, json, object};
use comity_lane::{Backoff, ClientError, ClusterClient, PatchKind, owned::compare::difference};

use crate::model::MANAGER;

/// Set on the system namespace when the types that ship have been enabled once: what an administrator disables or
/// deletes later stays so.
const ENABLED_ONCE: &str = "comity.dev/types-enabled";
/// How long a definition may take until its kind is served.
const SERVED_WITHIN: Duration = Duration::from_secs(30);

/// Installs what is missing. What somebody else installed, or changed, is left as it is.
///
/// # Errors
/// The hub refused something, or did not answer.
pub async fn bootstrap(hub: &ClusterClient) -> Result<(), ClientError> {
    let namespaces = GroupVersionResource::new("", "v1", "namespaces");
    let system = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": keys::SYSTEM_NAMESPACE}});
    if hub.get(&namespaces, "", keys::SYSTEM_NAMESPACE).await?.is_none() {
        match hub.create(&namespaces, "", &system, MANAGER).await {
            Err(error) if !error.is_already_exists() => return Err(error),
            _ => {}
        }
    }
    for definition in crds::core_crds() {
        install(hub, &definition).await?;
    }
    let system = hub.get(&namespaces, "", keys::SYSTEM_NAMESPACE).await?.unwrap_or_default();
    if object::annotation(&system, ENABLED_ONCE).is_some() {
        return Ok(());
    }
    for definition in crds::shipped_crds() {
        install(hub, &definition).await?;
    }
    for config in type_config::shipped() {
        enable(hub, &config.to_value()).await?;
    }
    let done = json!({"metadata": {"annotations": {ENABLED_ONCE: "true"}}});
    hub.patch(&namespaces, "", keys::SYSTEM_NAMESPACE, None, PatchKind::Merge, &done, MANAGER, false).await.map(drop)
}

/// Writes on the system namespace who the hub is, for tools that compare marks in members.
///
/// # Errors
/// The hub refused it, or did not answer.
pub async fn announce(hub: &ClusterClient, hub_id: &str, epoch: u64) -> Result<(), ClientError> {
    let namespaces = GroupVersionResource::new("", "v1", "namespaces");
    let epoch = epoch.to_string();
    let system = hub.get(&namespaces, "", keys::SYSTEM_NAMESPACE).await?.unwrap_or_default();
    let says = |key: &str| object::annotation(&system, key);
    if says(keys::HUB_ID) == Some(hub_id) && says(keys::HUB_EPOCH) == Some(&epoch) {
        return Ok(());
    }
    let patch = json!({"metadata": {"annotations": {keys::HUB_ID: hub_id, keys::HUB_EPOCH: epoch}}});
    hub.patch(&namespaces, "", keys::SYSTEM_NAMESPACE, None, PatchKind::Merge, &patch, MANAGER, false).await.map(drop)
}

/// Applies a definition without force: a conflict means that it is somebody else's.
async fn install(hub: &ClusterClient, definition: &Value) -> Result<(), ClientError> {
    let gvr = GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    let live = hub.get(&gvr, "", object::name(definition)).await?;
    if live.is_some_and(|live| difference(definition, &live, MANAGER).is_none()) {
        return Ok(());
    }
    let kind = PatchKind::Apply { force: false };
    match hub.patch(&gvr, "", object::name(definition), None, kind, definition, MANAGER, false).await {
        Err(error) if error.is_conflict() => {
            tracing::info!(name = object::name(definition), "this definition was installed by somebody else and stays as it is");
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Creates a type configuration as soon as its kind is served.
async fn enable(hub: &ClusterClient, config: &Value) -> Result<(), ClientError> {
    let gvr = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, type_config::PLURAL);
    let started = tokio::time::Instant::now();
    let mut pauses = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        match hub.create(&gvr, keys::SYSTEM_NAMESPACE, config, MANAGER).await {
            Err(error) if error.is_already_exists() => return Ok(()),
            Err(error) if error.is_not_found() && started.elapsed() < SERVED_WITHIN => tokio::time::sleep(pauses.next_pause()).await,
            other => return other.map(drop),
        }
    }
}
