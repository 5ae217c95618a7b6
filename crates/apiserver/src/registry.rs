//! The live table of served resources: built-in kinds and custom ones, which come and go at run time.

use std::{collections::HashMap, sync::Arc};

use comity_core::{GroupKind, GroupResource, GroupVersionKind, GroupVersionResource, kinds::api_version};
use comity_schema::{ResourceInfo, Schema, Strategy, builtin};
use parking_lot::RwLock;
use tokio::sync::watch;

/// One resource in one served version.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Names, scope, verbs, columns and schema.
    pub info: Arc<ResourceInfo>,
    /// Name in the store, shared by all versions: `pods`, `apps/deployments`.
    pub storage: Arc<str>,
    /// `apiVersion` of the bytes in the store.
    pub stored_api_version: Arc<str>,
    /// `apiVersion` of this version.
    pub api_version: Arc<str>,
    /// How the bytes of an object in this version begin: what begins otherwise needs conversion.
    pub head: Arc<str>,
    /// Facts of a custom resource; nothing for built-in kinds.
    pub custom: Option<Arc<Custom>>,
}

/// What only custom resources have.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    /// Name of the CustomResourceDefinition, `<plural>.<group>`.
    pub definition: String,
    /// Whether this version has the status subresource.
    pub status: bool,
    /// JSONPaths of the scale subresource, if this version has it.
    pub scale: Option<ScalePaths>,
    /// `selectableFields[].jsonPath`, such as `.spec.color`.
    pub selectable_fields: Vec<String>,
    /// The text of the `Warning` header when this version is deprecated.
    pub deprecation: Option<String>,
    /// Whether the definition is being deleted, so that nothing new may be created.
    pub terminating: bool,
    /// The JSONPath of each of the resource's columns.
    pub column_paths: Vec<String>,
}

/// Where a custom resource keeps the numbers of its scale subresource (JSONPaths with a leading dot).
#[derive(Clone, Debug, Default)]
pub struct ScalePaths {
    /// Wanted replicas.
    pub spec_replicas: String,
    /// Observed replicas.
    pub status_replicas: String,
    /// Selector text, if any.
    pub label_selector: Option<String>,
}

impl Resource {
    /// A built-in resource.
    pub fn builtin(info: Arc<ResourceInfo>) -> Self {
        let (storage, stored_api_version) = stored_as(&info);
        let api_version = api_version(&info.group, &info.version);
        let head = format!("{{\"kind\":\"{}\",\"apiVersion\":\"{api_version}\",", info.kind).into();
        Self { api_version: api_version.into(), storage, stored_api_version, head, info, custom: None }
    }

    /// A custom resource in one version; `storage_version` is the one with `storage: true`.
    pub fn custom(mut info: ResourceInfo, storage_version: &str, custom: Custom) -> Self {
        info.strategy = Strategy::custom(custom.status);
        let own = api_version(&info.group, &info.version);
        Self {
            head: format!("{{\"apiVersion\":\"{own}\",\"kind\":\"{}\",", info.kind).into(),
            storage: format!("{}/{}", info.group, info.plural).into(),
            stored_api_version: api_version(&info.group, storage_version).into(),
            api_version: own.into(),
            info: Arc::new(info),
            custom: Some(Arc::new(custom)),
        }
    }

    /// Group, version and kind of its objects.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.info.group, &self.info.version, &self.info.kind)
    }

    /// Group and kind of its objects.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.info.group.clone(), kind: self.info.kind.clone() }
    }

    /// Group and resource, as errors name it.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(&self.info.group, &self.info.plural)
    }

    /// Group, version and resource.
    pub fn gvr(&self) -> GroupVersionResource {
        GroupVersionResource::new(&self.info.group, &self.info.version, &self.info.plural)
    }

    /// The compiled type.
    pub fn schema(&self) -> &Schema {
        &self.info.schema
    }

    /// Whether a verb is served.
    pub fn serves(&self, verb: &str) -> bool {
        self.info.verbs.iter().any(|v| v == verb)
    }

    /// Whether bytes must be converted between the stored and this version.
    pub fn needs_conversion(&self) -> bool {
        self.stored_api_version != self.api_version
    }
}

/// Where a built-in kind is stored: kinds that are served in several groups or versions share one place.
fn stored_as(info: &ResourceInfo) -> (Arc<str>, Arc<str>) {
    match (info.group.as_str(), info.plural.as_str()) {
        ("events.k8s.io", "events") => ("events".into(), "v1".into()),
        ("autoscaling", "horizontalpodautoscalers") => ("autoscaling/horizontalpodautoscalers".into(), "autoscaling/v2".into()),
        ("", plural) => (plural.into(), info.version.as_str().into()),
        (group, plural) => (format!("{group}/{plural}").into(), api_version(group, &info.version).into()),
    }
}

/// One consistent state of the table.
#[derive(Debug, Default)]
pub struct Registry {
    /// Counts changes; part of cached answers' identity.
    pub serial: u64,
    resources: Vec<Arc<Resource>>,
    by_path: HashMap<String, usize>,
    by_kind: HashMap<GroupVersionKind, usize>,
}

impl Registry {
    fn new(serial: u64, resources: Vec<Arc<Resource>>) -> Self {
        let mut by_path = HashMap::with_capacity(resources.len());
        let mut by_kind = HashMap::with_capacity(resources.len());
        for (index, resource) in resources.iter().enumerate() {
            by_path.insert(path_key(&resource.info.group, &resource.info.version, &resource.info.plural), index);
            by_kind.entry(resource.gvk()).or_insert(index);
        }
        Self { serial, resources, by_path, by_kind }
    }

    /// The resource at `/apis/<group>/<version>/<plural>`.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.by_path.get(&path_key(group, version, plural)).map(|i| &self.resources[*i])
    }

    /// The resource of a kind.
    pub fn find_kind(&self, kind: &GroupVersionKind) -> Option<&Arc<Resource>> {
        self.by_kind.get(kind).map(|i| &self.resources[*i])
    }

    /// Any served version of a group's resource.
    pub fn find_any_version(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|r| r.info.group == group && r.info.plural == plural)
    }

    /// All resources: built-ins in the order of the recorded table, then custom ones by definition name.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// Whether a path that is not served lies where API errors are answered: in a group of its own or in a served version.
    pub fn answers_for(&self, group: &str, version: &str) -> bool {
        self.resources.iter().any(|r| r.info.group == group && (r.custom.is_none() || r.info.version == version))
    }
}

fn path_key(group: &str, version: &str, plural: &str) -> String {
    format!("{group}/{version}/{plural}")
}

/// The table as it is now, with a signal at every change.
#[derive(Debug)]
pub struct LiveRegistry {
    current: RwLock<Arc<Registry>>,
    changed: watch::Sender<u64>,
}

impl Default for LiveRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveRegistry {
    /// The built-in resources.
    pub fn new() -> Self {
        let resources = builtin::table().resources().iter().map(|info| Arc::new(Resource::builtin(info.clone()))).collect();
        Self { current: RwLock::new(Arc::new(Registry::new(1, resources))), changed: watch::Sender::new(1) }
    }

    /// The present state; cheap.
    pub fn current(&self) -> Arc<Registry> {
        self.current.read().clone()
    }

    /// Puts the served versions of one definition in place of those before; none removes it.
    pub fn set_custom(&self, definition: &str, versions: Vec<Resource>) {
        let serial = {
            let mut current = self.current.write();
            let mut resources: Vec<Arc<Resource>> =
                current.resources.iter().filter(|r| r.custom.as_ref().is_none_or(|c| c.definition != definition)).cloned().collect();
            let at = resources
                .iter()
                .position(|r| r.custom.as_ref().is_some_and(|c| c.definition.as_str() > definition))
                .unwrap_or(resources.len());
            resources.splice(at..at, versions.into_iter().map(Arc::new));
            let serial = current.serial + 1;
            *current = Arc::new(Registry::new(serial, resources));
            serial
        };
        self.changed.send_replace(serial);
    }

    /// A receiver that learns every new serial.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
