//! Which types run: one set of watches for each enabled type configuration, started and stopped as they change.

use std::{collections::BTreeMap, sync::Arc};

use comity_api_kubefed::{FederatedTypeConfig, keys, type_config};
use comity_core::{GroupVersionResource, Value, json, object};
use comity_fleet::Watch;
use comity_lane::{Cache, CacheEvent, Interest, PatchKind};
use comity_runtime::{EventRecorder, Executor, Key, Priority};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::Federation,
    fence,
    model::{FederatedType, MANAGER},
    owners::Owners,
};

/// A type whose objects are propagated.
pub struct Running {
    /// The type.
    pub kind: Arc<FederatedType>,
    /// The federated objects.
    pub cache: Cache,
    /// Whom they concern.
    pub(crate) owners: Arc<Owners>,
    /// Carries plans out.
    pub executor: Executor,
    config: FederatedTypeConfig,
    _watch: Watch,
}

impl Running {
    /// The work on one federated object.
    pub fn key(&self, namespace: &str, name: &str) -> Key {
        Key::of_kind(&self.kind.target.owner_kind, namespace, name)
    }

    /// An owner as events name it.
    pub(crate) fn reference(&self, namespace: &str, name: &str, uid: &str) -> Value {
        let federated = &self.kind.federated;
        let mut reference = json!({
            "apiVersion": federated.gvk().api_version(), "kind": federated.kind, "metadata": {"name": name, "uid": uid},
        });
        if !namespace.is_empty() {
            reference["metadata"]["namespace"] = namespace.into();
        }
        reference
    }

    /// Whether all objects of the type are known; a kind that the hub does not serve has none.
    pub fn is_read(&self) -> bool {
        self.cache.is_synced() || self.cache.last_error().is_some_and(|error| error.is_not_found())
    }

    /// The federated object of a copy.
    pub fn owner_of<'a>(&self, namespace: &'a str, name: &'a str) -> (&'a str, &'a str) {
        owner_of(&self.kind, namespace, name)
    }
}

fn owner_of<'a>(kind: &FederatedType, namespace: &'a str, name: &'a str) -> (&'a str, &'a str) {
    match (kind.target.namespaced, kind.is_namespace) {
        (true, _) => (namespace, name),
        (false, true) => (name, name),
        (false, false) => ("", name),
    }
}

/// What `kubectl` keeps for itself is as large as the object and decides nothing.
fn slim(object: &mut Value) {
    object::remove(object, &["metadata", "managedFields"]);
    object::remove(object, &["metadata", "annotations", comity_core::labels::LAST_APPLIED]);
}

/// Follows the type configurations until the token is cancelled.
pub(crate) async fn follow(federation: Arc<Federation>, namespace: String, ready: Arc<Notify>, stop: CancellationToken) {
    let changed = Arc::new(Notify::new());
    let tell = changed.clone();
    let gvr = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, type_config::PLURAL);
    let interest = Interest { namespace: Some(namespace), ..Interest::all(gvr) };
    let configs = Cache::start(federation.hub.clone(), interest, Arc::new(move |_| tell.notify_one()));
    let mut settings = federation.fleet.settings();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed.notified() => {}
            settings = settings.changed() => if settings.is_err() { return } else { federation.look_again() },
        }
        if configs.is_synced() {
            update(&federation, &configs.list()).await;
            ready.notify_one();
        }
    }
}

async fn update(federation: &Arc<Federation>, configs: &[Arc<Value>]) {
    let push = federation.fleet.settings().borrow().gate("PushReconciler");
    let mut wanted: BTreeMap<String, FederatedTypeConfig> = BTreeMap::new();
    for object in configs {
        match FederatedTypeConfig::read(object) {
            Ok(config) if config.enabled() && push && !object::is_deleting(object) => {
                let kind = FederatedType::of(&config).target.owner_kind.clone();
                wanted.insert(kind, config);
            }
            Ok(_) => {}
            Err(problem) => tracing::warn!(name = object::name(object), %problem, "this type configuration cannot be read"),
        }
    }
    let known: Vec<String> = federation.types.read().keys().cloned().collect();
    for owner_kind in known {
        let same = |running: &Running| wanted.get(&owner_kind).is_some_and(|config| config.spec == running.config.spec);
        if !federation.running(&owner_kind).is_some_and(|running| same(&running)) {
            federation.types.write().remove(&owner_kind);
        }
    }
    for (owner_kind, config) in wanted {
        if federation.running(&owner_kind).is_none() {
            let running = Arc::new(start(federation, config));
            federation.types.write().insert(owner_kind, running.clone());
            // members that changed before the type was known to run
            running.owners.refresh(&federation.fleet);
            fence::examine_all(federation, &running);
            // events that came before the type was known to run
            federation.look_again_at(&running);
        }
    }
    for object in configs {
        report(federation, object).await;
    }
}

fn start(federation: &Arc<Federation>, config: FederatedTypeConfig) -> Running {
    let kind = Arc::new(FederatedType::of(&config));
    let owners: Arc<Owners> = Arc::default();
    let cache = {
        let (weak, kind, owners) = (Arc::downgrade(federation), kind.clone(), owners.clone());
        let interest = Interest { project: Some(slim), packed: true, ..Interest::all(config.spec.federated_type.gvr()) };
        Cache::start(
            federation.hub.clone(),
            interest,
            Arc::new(move |event: &CacheEvent| {
                if let Some(federation) = weak.upgrade() {
                    note(&federation, &owners, event);
                    owner_changed(&federation, &kind, event);
                }
            }),
        )
    };
    let watch = {
        let (weak, kind, owners) = (Arc::downgrade(federation), kind.clone(), owners.clone());
        federation.fleet.watch(
            &kind.target.clone(),
            Arc::new(move |cluster: &str, namespace: &str, name: &str| {
                if let Some(federation) = weak.upgrade() {
                    // whether there still is one is looked at when its owner is
                    if !name.is_empty() {
                        let (owner_namespace, owner_name) = owner_of(&kind, namespace, name);
                        owners.may_hold(owner_namespace, owner_name, cluster);
                    }
                    copy_changed(&federation, &kind, cluster, namespace, name);
                }
            }),
        )
    };
    let component = format!("{}-controller", config.spec.federated_type.kind.to_lowercase());
    let executor = Executor {
        hub: federation.hub.clone(),
        fleet: federation.fleet.clone(),
        guard: federation.guard.clone(),
        recorder: EventRecorder::new(federation.hub.clone(), &component),
        owner: config.spec.federated_type.gvr(),
        owner_gvk: config.spec.federated_type.gvk(),
        owner_kind: kind.target.owner_kind.clone(),
        manager: MANAGER,
    };
    Running { kind, cache, owners, executor, config, _watch: watch }
}

fn note(federation: &Federation, owners: &Owners, event: &CacheEvent) {
    match event {
        CacheEvent::Applied { new, .. } => owners.put(new, &federation.fleet),
        CacheEvent::Deleted(last) => owners.remove(object::namespace(last), object::name(last)),
        CacheEvent::Synced => {}
    }
}

fn owner_changed(federation: &Federation, kind: &FederatedType, event: &CacheEvent) {
    let object = match event {
        CacheEvent::Applied { new, .. } => new,
        CacheEvent::Deleted(last) => last,
        CacheEvent::Synced => {
            if let Some(running) = federation.running(&kind.target.owner_kind) {
                fence::examine_all(federation, &running);
            }
            if kind.is_namespace {
                federation.look_again();
            }
            return;
        }
    };
    let (namespace, name) = (object::namespace(object), object::name(object));
    let acted_on = object::int_at(object, &["status", "observedGeneration"]) == Some(object::generation(object));
    let priority = if acted_on && !object::is_deleting(object) { Priority::Resync } else { Priority::User };
    federation.queue.add(Key::of_kind(&kind.target.owner_kind, namespace, name), priority);
    if kind.is_namespace && spec_changed(event) {
        let types: Vec<Arc<Running>> = federation.types.read().values().filter(|r| r.kind.target.namespaced).cloned().collect();
        for running in types {
            for object in running.cache.list_namespace(namespace) {
                federation.queue.add(running.key(namespace, object::name(&object)), Priority::User);
            }
        }
    }
}

fn spec_changed(event: &CacheEvent) -> bool {
    match event {
        CacheEvent::Applied { old: Some(old), new } => object::generation(old) != object::generation(new),
        _ => true,
    }
}

fn copy_changed(federation: &Federation, kind: &FederatedType, cluster: &str, namespace: &str, name: &str) {
    if name.is_empty() {
        if let Some(running) = federation.running(&kind.target.owner_kind) {
            if let Some(member) = federation.fleet.member(cluster) {
                fence::examine(federation, &running, &member);
            }
            federation.look_again_in(&running, cluster);
        }
        return;
    }
    if kind.is_namespace
        && let Some(member) = federation.fleet.member(cluster)
    {
        member.lane.namespace_exists(name);
    }
    let (owner_namespace, owner_name) = owner_of(kind, namespace, name);
    federation.queue.add(Key::of_kind(&kind.target.owner_kind, owner_namespace, owner_name), Priority::Drift);
}

/// The configuration's own status.
async fn report(federation: &Federation, object: &Value) {
    let runs = FederatedTypeConfig::read(object).ok().is_some_and(|config| {
        federation.running(&FederatedType::of(&config).target.owner_kind).is_some_and(|running| running.config.name == config.name)
    });
    let status = json!({
        "observedGeneration": object::generation(object),
        "propagationController": if runs { "Running" } else { "NotRunning" },
    });
    if object.get("status") == Some(&status) {
        return;
    }
    let gvr = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, type_config::PLURAL);
    let (namespace, name) = (object::namespace(object), object::name(object));
    let body = json!({
        "apiVersion": gvr.api_version(), "kind": "FederatedTypeConfig",
        "metadata": {"name": name, "namespace": namespace, "uid": object::uid(object)}, "status": status,
    });
    let kind = PatchKind::Apply { force: true };
    if let Err(error) = federation.hub.patch(&gvr, namespace, name, Some("status"), kind, &body, MANAGER, false).await {
        tracing::debug!(name, %error, "the type configuration's status could not be written");
    }
}
