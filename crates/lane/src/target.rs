//! What kind of copies a domain keeps in members, and who they belong to.

use comity_core::{GroupVersionKind, GroupVersionResource};

/// One kind of copies on behalf of one kind of owners.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Domain that owns the copies, as in ownership marks.
    pub domain: &'static str,
    /// Field manager of every write.
    pub manager: &'static str,
    /// Kind of the owners, as `FederatedDeployment.types.kubefed.io`.
    pub owner_kind: String,
    /// The copies' resource in members.
    pub gvr: GroupVersionResource,
    /// The copies' kind.
    pub gvk: GroupVersionKind,
    /// Whether copies live in namespaces.
    pub namespaced: bool,
    /// The label selector that finds copies.
    pub selector: String,
    /// Whether the copies' `.status` is kept.
    pub keeps_status: bool,
}

impl Target {
    /// Whether what copies hold may be repeated nowhere.
    pub fn is_confidential(&self) -> bool {
        comity_core::confidential::is_confidential(&self.gvk.group, &self.gvk.kind)
    }

    /// `Deployment "ns/name"`, as messages name a copy.
    pub fn describe(&self, namespace: &str, name: &str) -> String {
        format!("{} {:?}", self.gvk.kind, comity_core::marks::object_name(namespace, name))
    }
}
