//! `FederatedTypeConfig`: which target kind is federated by which federated kind.

use comity_core::{GroupVersionKind, GroupVersionResource, Map, Value, json, object};
use serde::Deserialize;

use crate::{Malformed, keys, view};

/// Resource name of type configurations on the hub.
pub const PLURAL: &str = "federatedtypeconfigs";

/// A view of one type configuration, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedTypeConfig {
    /// `<target plural>[.<target group>]`.
    pub name: String,
    /// Generation of the object.
    pub generation: i64,
    /// The spec.
    pub spec: TypeConfigSpec,
}

/// `spec` of a type configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TypeConfigSpec {
    /// The kind that lands in members.
    pub target_type: ApiResource,
    /// `Enabled` or `Disabled`.
    pub propagation: String,
    /// The kind that users write on the hub.
    pub federated_type: ApiResource,
    /// The kind that holds collected status, unused by Comity.
    pub status_type: Option<ApiResource>,
    /// `Enabled` (Comity's default) or `Disabled`.
    pub status_collection: Option<String>,
}

/// One API resource, as type configurations name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiResource {
    /// Group, empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Plural name in URLs.
    pub plural_name: String,
    /// `Namespaced` or `Cluster`.
    pub scope: String,
}

impl ApiResource {
    /// From the five parts.
    pub fn new(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        let scope = if namespaced { "Namespaced" } else { "Cluster" };
        Self { group: group.into(), version: version.into(), kind: kind.into(), plural_name: plural.into(), scope: scope.into() }
    }

    /// Whether objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.scope == "Namespaced"
    }

    /// Group, version and plural.
    pub fn gvr(&self) -> GroupVersionResource {
        GroupVersionResource::new(&self.group, &self.version, &self.plural_name)
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.group, &self.version, &self.kind)
    }

    /// `deployments.apps`, or `configmaps` for the core group.
    pub fn qualified_name(&self) -> String {
        self.gvr().group_resource().to_string()
    }

    /// The JSON form; an empty group is left out.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in [
            ("group", &self.group),
            ("kind", &self.kind),
            ("pluralName", &self.plural_name),
            ("scope", &self.scope),
            ("version", &self.version),
        ] {
            if !text.is_empty() {
                map.insert(key.to_owned(), text.clone().into());
            }
        }
        Value::Object(map)
    }
}

impl FederatedTypeConfig {
    /// Reads the stored object and fills in what KubeFed defaults.
    ///
    /// # Errors
    /// A field of `spec` has the wrong type.
    pub fn read(value: &Value) -> Result<Self, Malformed> {
        let mut spec: TypeConfigSpec = view(value, "spec")?;
        let name = object::name(value);
        let (plural, group) = name.split_once('.').unwrap_or((name, ""));
        let or = |field: &mut String, default: &str| {
            if field.is_empty() {
                field.push_str(default);
            }
        };
        or(&mut spec.target_type.plural_name, plural);
        or(&mut spec.target_type.group, group);
        let federated_plural = plural_of(&spec.federated_type.kind);
        or(&mut spec.federated_type.plural_name, &federated_plural);
        if let Some(status) = &mut spec.status_type {
            let status_plural = plural_of(&status.kind);
            or(&mut status.plural_name, &status_plural);
            or(&mut status.group, &spec.federated_type.group);
            or(&mut status.version, &spec.federated_type.version);
        }
        Ok(Self { name: name.to_owned(), generation: object::generation(value), spec })
    }

    /// The configuration that federates a target in the given group and version: kind `Federated<Kind>`.
    pub fn for_target(target: ApiResource, federated_group: &str, federated_version: &str) -> Self {
        let kind = format!("Federated{}", target.kind);
        // A FederatedNamespace lives in the namespace that it federates.
        let namespaced = target.namespaced() || is_namespace(&target);
        let federated_type = ApiResource::new(federated_group, federated_version, &kind, &plural_of(&kind), namespaced);
        let name = target.qualified_name();
        let spec = TypeConfigSpec {
            target_type: target,
            propagation: "Enabled".into(),
            federated_type,
            status_type: None,
            status_collection: None,
        };
        Self { name, generation: 0, spec }
    }

    /// Whether propagation is on.
    pub fn enabled(&self) -> bool {
        self.spec.propagation == "Enabled"
    }

    /// Whether members' status is collected: yes unless the configuration says no.
    pub fn collects_status(&self) -> bool {
        self.spec.status_collection.as_deref() != Some("Disabled")
    }

    /// Whether the target is the core kind Namespace.
    pub fn is_namespace(&self) -> bool {
        is_namespace(&self.spec.target_type)
    }

    /// The object as it is stored.
    pub fn to_value(&self) -> Value {
        let mut spec = json!({"federatedType": self.spec.federated_type.to_value(), "propagation": self.spec.propagation});
        if let Some(mode) = &self.spec.status_collection {
            spec["statusCollection"] = mode.clone().into();
        }
        if let Some(status) = &self.spec.status_type {
            spec["statusType"] = status.to_value();
        }
        spec["targetType"] = self.spec.target_type.to_value();
        json!({
            "apiVersion": format!("{}/{}", keys::CORE_GROUP, keys::CORE_VERSION),
            "kind": "FederatedTypeConfig",
            "metadata": {"name": self.name, "namespace": keys::SYSTEM_NAMESPACE},
            "spec": spec,
        })
    }
}

fn is_namespace(target: &ApiResource) -> bool {
    target.group.is_empty() && target.kind == "Namespace"
}

/// The plural of a kind in lower case, by KubeFed's rule.
pub fn plural_of(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if ["s", "x", "ch", "sh", "z", "o"].iter().any(|end| lower.ends_with(end)) {
        return lower + "es";
    }
    match lower.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => lower + "s",
    }
}

/// The ten types that ship enabled, in name order.
pub fn shipped() -> Vec<FederatedTypeConfig> {
    let types = [
        ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false),
        ("", "v1", "ConfigMap", "configmaps", true),
        ("apps", "v1", "Deployment", "deployments", true),
        ("networking.k8s.io", "v1", "Ingress", "ingresses", true),
        ("batch", "v1", "Job", "jobs", true),
        ("", "v1", "Namespace", "namespaces", false),
        ("apps", "v1", "ReplicaSet", "replicasets", true),
        ("", "v1", "Secret", "secrets", true),
        ("", "v1", "ServiceAccount", "serviceaccounts", true),
        ("", "v1", "Service", "services", true),
    ];
    let config = |(group, version, kind, plural, namespaced)| {
        FederatedTypeConfig::for_target(ApiResource::new(group, version, kind, plural, namespaced), keys::TYPES_GROUP, keys::TYPES_VERSION)
    };
    types.into_iter().map(config).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_follow_kubefed() {
        for (kind, plural) in
            [("FederatedIngress", "federatedingresses"), ("Proxy", "proxies"), ("ConfigMap", "configmaps"), ("Batch", "batches")]
        {
            assert_eq!(plural_of(kind), plural);
        }
    }

    #[test]
    fn names_fill_in_what_a_configuration_leaves_out() {
        let config = FederatedTypeConfig::read(&json!({
            "metadata": {"name": "widgets.example.com", "generation": 2},
            "spec": {"targetType": {"kind": "Widget", "version": "v1", "scope": "Namespaced"}, "propagation": "Enabled",
                     "federatedType": {"group": "types.kubefed.io", "version": "v1beta1", "kind": "FederatedWidget", "scope": "Namespaced"}},
        }))
        .unwrap();
        assert_eq!(config.spec.target_type.qualified_name(), "widgets.example.com");
        assert_eq!(config.spec.federated_type.plural_name, "federatedwidgets");
        assert!(config.enabled() && config.collects_status());
    }

    #[test]
    fn what_ships_reads_back_as_it_was_written() {
        let shipped = shipped();
        assert_eq!(shipped.len(), 10);
        for config in shipped {
            assert_eq!(FederatedTypeConfig::read(&config.to_value()).unwrap(), config);
        }
    }
}
