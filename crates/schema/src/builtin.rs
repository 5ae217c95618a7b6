//! The built-in kinds: the embedded table, compiled on first use and shared by everything in the process.

mod compile;
mod strategy;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use comity_core::{GroupVersionKind, Value};

pub use strategy::{Generation, Strategy};

pub use crate::table::{Column, Group, Subresource};
use crate::{
    node::{Link, Node},
    schema::Schema,
    shapes::ShapeFile,
    table::TableFile,
};

pub(crate) const TABLE: &[u8] = include_bytes!("../data/kubernetes.json.zst");
const SHAPES: &[u8] = include_bytes!("../data/shapes.json.zst");

/// A served resource, built-in or custom: everything that is data about it.
#[derive(Clone, Debug)]
pub struct ResourceInfo {
    /// Group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Kind of its lists, such as `DeploymentList`.
    pub list_kind: String,
    /// Plural name in URLs.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Verbs, as discovery lists them.
    pub verbs: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Subresources.
    pub subresources: Vec<Subresource>,
    /// Columns of a Table answer.
    pub columns: Vec<Column>,
    /// Content types that PATCH accepts.
    pub patch_types: Vec<String>,
    /// Its type.
    pub schema: Schema,
    /// How writes treat it.
    pub strategy: Strategy,
}

impl ResourceInfo {
    /// Its kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.group, &self.version, &self.kind)
    }

    /// A subresource by name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }
}

/// The compiled table.
#[derive(Debug)]
pub struct Table {
    kubernetes: String,
    groups: Vec<Group>,
    resources: Vec<Arc<ResourceInfo>>,
    nodes: Box<[Node]>,
    kinds: HashMap<GroupVersionKind, u16>,
    metadata: u16,
}

/// The built-in kinds; the first call takes some tens of milliseconds.
pub fn table() -> &'static Table {
    static LOADED: OnceLock<Table> = OnceLock::new();
    LOADED.get_or_init(|| match load() {
        Ok((table, shapes)) => compile::compile(table, &shapes),
        // The data is part of the binary and its loading is tested, so this cannot depend on anything at run time.
        Err(why) => panic!("the schema table inside this binary is broken: {why}"),
    })
}

/// Objects that a fresh server makes by itself: RBAC first, then PriorityClasses, FlowSchemas and the like.
///
/// They are read from the embedded table each time, because they are needed once.
pub fn bootstrap_objects() -> Vec<Value> {
    let Ok(mut table) = read::<TableFile>(TABLE) else { return Vec::new() };
    table.bootstrap_rbac.append(&mut table.bootstrap_objects);
    table.bootstrap_rbac
}

/// (type, field, value) of everything that a real server was seen to fill in as a constant.
#[cfg(test)]
pub(crate) fn recorded_constants() -> Vec<(String, String, Value)> {
    let Ok(table) = read::<TableFile>(TABLE) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, kind) in table.types {
        found.extend(kind.fields.into_iter().filter_map(|f| Some((name.clone(), f.name, f.filled?))));
    }
    found
}

pub(crate) fn node(index: u16) -> &'static Node {
    &table().nodes[usize::from(index)]
}

fn load() -> Result<(TableFile, ShapeFile), String> {
    Ok((read(TABLE)?, read(SHAPES)?))
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(packed: &[u8]) -> Result<T, String> {
    let plain = zstd::decode_all(packed).map_err(|e| e.to_string())?;
    serde_json::from_slice(&plain).map_err(|e| e.to_string())
}

impl Table {
    /// Version of the server that was recorded, such as `v1.36.3`.
    pub fn kubernetes(&self) -> &str {
        &self.kubernetes
    }

    /// Groups in discovery order, each with its versions, preferred first.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Every resource of every served version.
    pub fn resources(&self) -> &[Arc<ResourceInfo>] {
        &self.resources
    }

    /// One resource.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<ResourceInfo>> {
        self.resources.iter().find(|r| r.plural == plural && r.version == version && r.group == group)
    }

    /// The resource that serves a kind.
    pub fn find_kind(&self, kind: &GroupVersionKind) -> Option<&Arc<ResourceInfo>> {
        self.resources.iter().find(|r| r.kind == kind.kind && r.version == kind.version && r.group == kind.group)
    }

    /// The type of a kind: resources, kinds of subresources (`Scale`, `Eviction`, …) and `DeleteOptions` and the like under any group.
    pub fn type_schema(&self, kind: &GroupVersionKind) -> Option<Schema> {
        let index = self.kinds.get(kind).or_else(|| {
            let meta = GroupVersionKind::new("", "v1", &kind.kind);
            compile::META_KINDS.contains(&kind.kind.as_str()).then(|| self.kinds.get(&meta)).flatten()
        })?;
        Some(Schema { root: Link::Type(*index), check: None })
    }

    /// A type by its definition name.
    pub(crate) fn type_named(&self, definition: &str) -> Option<&Node> {
        // Nodes stand in the order of their names.
        let found = self.nodes.binary_search_by(|n| n.type_name().unwrap_or_default().cmp(definition)).ok()?;
        Some(&self.nodes[found])
    }

    /// The type of `metadata`.
    pub(crate) fn metadata(&self) -> Link {
        Link::Type(self.metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Kind, ListKind};

    #[test]
    fn every_resource_has_a_type_with_metadata() {
        let table = table();
        assert!(table.resources().len() > 60);
        for resource in table.resources() {
            let root = resource.schema.root();
            assert_eq!(root.kind(), Kind::Object, "{}", resource.plural);
            assert!(root.child("metadata").is_some_and(|m| m.field("managedFields").is_some()), "{}", resource.plural);
        }
        assert!(table.find("apps", "v1", "deployments").is_some_and(|d| d.subresource("scale").is_some()));
    }

    #[test]
    fn nodes_tell_what_apply_needs() {
        let pod = table().find("", "v1", "pods").unwrap().schema.clone();
        let spec = pod.root().child("spec").unwrap();
        let containers = spec.child("containers").unwrap();
        assert_eq!(containers.list_kind(), ListKind::Map);
        assert_eq!(containers.list_keys().iter().map(|k| &**k).collect::<Vec<_>>(), ["name"]);
        let ports = containers.item().unwrap().child("ports").unwrap();
        assert_eq!(ports.list_keys().len(), 2);
        assert_eq!(ports.key_default("protocol"), Some(&"TCP".into()));
        assert!(spec.child("nodeSelector").unwrap().is_leaf());
        assert!(!pod.root().child("metadata").unwrap().child("labels").unwrap().is_leaf());
        assert_eq!(pod.root().child("metadata").unwrap().child("finalizers").unwrap().list_kind(), ListKind::Set);
    }

    #[test]
    fn kinds_of_subresources_and_options_are_known() {
        for (group, version, kind) in [
            ("autoscaling", "v1", "Scale"),
            ("policy", "v1", "Eviction"),
            ("authentication.k8s.io", "v1", "TokenRequest"),
            ("", "v1", "Binding"),
            ("apps", "v1", "DeleteOptions"),
            ("authorization.k8s.io", "v1", "SelfSubjectAccessReview"),
        ] {
            assert!(table().type_schema(&GroupVersionKind::new(group, version, kind)).is_some(), "{kind}");
        }
        assert!(table().type_schema(&GroupVersionKind::new("apps", "v1", "Nothing")).is_none());
    }

    #[test]
    fn a_fresh_server_has_its_roles() {
        let objects = bootstrap_objects();
        assert!(objects.iter().any(|o| o["kind"] == "ClusterRole" && comity_core::object::name(o) == "cluster-admin"));
        assert!(objects.iter().any(|o| o["kind"] == "PriorityClass"));
    }
}
