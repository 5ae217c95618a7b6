//! What the hub's API server asks before it stores a KubeFed object. Pure: the server's hook calls these.

use comity_api_kubefed::{FederatedSpec, FederatedTypeConfig, admission, config, keys};
use comity_core::{FieldError, GroupVersionResource, Value, object};

/// A namespace that the hub makes for a federated object, and the warning that tells the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceToMake {
    /// Its name.
    pub name: String,
    /// The text of the `Warning:` header.
    pub warning: String,
}

/// Whether a create needs its namespace made first: KubeFed's tutorial never creates it.
///
/// Only for federated kinds of the group `types.kubefed.io`; everything else gets the API's usual 404.
pub fn namespace_to_make(resource: &GroupVersionResource, namespace: &str, exists: bool) -> Option<NamespaceToMake> {
    if exists || namespace.is_empty() || resource.group != keys::TYPES_GROUP {
        return None;
    }
    let warning = format!("namespace {namespace:?} did not exist and was created; create it beforehand to choose its labels");
    Some(NamespaceToMake { name: namespace.to_owned(), warning })
}

/// Fills in what KubeFed's webhooks fill in, and the finalizer that a federated object gets before its first copy.
pub fn default_on_create(resource: &GroupVersionResource, propagated: bool, value: &mut Value) {
    if resource.group == keys::CORE_GROUP && resource.resource == "kubefedconfigs" {
        config::set_defaults(value);
    }
    if propagated && !object::finalizers(value).any(|f| f == keys::SYNC_FINALIZER) {
        let mut all: Vec<Value> = object::finalizers(value).map(Into::into).collect();
        all.push(keys::SYNC_FINALIZER.into());
        object::set(value, &["metadata", "finalizers"], Value::Array(all));
    }
}

/// What is wrong with an object of the group `core.kubefed.io`.
pub fn check(resource: &GroupVersionResource, value: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if resource.group != keys::CORE_GROUP {
        return Vec::new();
    }
    match resource.resource.as_str() {
        "kubefedclusters" => admission::cluster(value),
        "federatedtypeconfigs" => admission::type_config(value),
        "kubefedconfigs" => admission::config(value, old),
        _ => Vec::new(),
    }
}

/// The right that a writer of a federated object must hold on the hub: the same verb on the target kind there, so that
/// a template is not a way around access rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The target kind.
    pub target: GroupVersionResource,
    /// The verb.
    pub verb: String,
    /// Namespace, empty for cluster-scoped targets.
    pub namespace: String,
    /// Name of the copies.
    pub name: String,
}

/// What to ask the authorizer for a write of a federated object; nothing for objects of other kinds.
pub fn authority(config: &FederatedTypeConfig, verb: &str, namespace: &str, name: &str) -> Authority {
    let target = &config.spec.target_type;
    let namespace = if target.namespaced() { namespace } else { "" };
    Authority { target: target.gvr(), verb: verb.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
}

/// The RBAC objects that a write would put into members, each to be judged as if it were written on the hub: templates
/// that are roles or bindings, with and without the overrides of each cluster. Nothing where the write changes no content.
pub fn grants(config: &FederatedTypeConfig, value: &Value, old: Option<&Value>) -> Vec<Value> {
    let target = &config.spec.target_type;
    let rbac = ["roles", "clusterroles", "rolebindings", "clusterrolebindings"];
    if target.group != "rbac.authorization.k8s.io" || !rbac.contains(&target.plural_name.as_str()) {
        return Vec::new();
    }
    if old.is_some_and(|old| old.get("spec") == value.get("spec")) {
        return Vec::new();
    }
    // a spec that cannot be read is written nowhere
    let Ok(spec) = FederatedSpec::read(value) else { return Vec::new() };
    let mut all = crate::plan::variants(&spec);
    for grant in &mut all {
        grant["apiVersion"] = target.gvk().api_version().into();
        grant["kind"] = target.kind.as_str().into();
        object::set(grant, &["metadata", "name"], object::name(value).into());
        if target.namespaced() {
            object::set(grant, &["metadata", "namespace"], object::namespace(value).into());
        }
    }
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn federated() -> GroupVersionResource {
        GroupVersionResource::new(keys::TYPES_GROUP, "v1beta1", "federateddeployments")
    }

    #[test]
    fn only_a_missing_namespace_of_a_federated_object_is_made() {
        assert!(namespace_to_make(&federated(), "production", false).is_some());
        assert_eq!(namespace_to_make(&federated(), "production", true), None);
        assert_eq!(namespace_to_make(&GroupVersionResource::new("apps", "v1", "deployments"), "production", false), None);
    }

    #[test]
    fn the_finalizer_is_there_before_the_first_copy() {
        let mut value = json!({"metadata": {"finalizers": ["a"]}});
        default_on_create(&federated(), true, &mut value);
        default_on_create(&federated(), true, &mut value);
        assert_eq!(value["metadata"]["finalizers"], json!(["a", "kubefed.io/sync-controller"]));
        let mut plain = json!({"metadata": {}});
        default_on_create(&federated(), false, &mut plain);
        assert_eq!(plain, json!({"metadata": {}}));
    }

    #[test]
    fn every_role_that_may_land_in_a_cluster_is_judged() {
        let shipped = comity_api_kubefed::type_config::shipped();
        let roles = &shipped[0];
        let rule = |verb: &str| json!([{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]);
        let value = json!({"metadata": {"name": "r"}, "spec": {"template": {"rules": rule("get")}, "overrides": [
            {"clusterName": "a", "clusterOverrides": [{"path": "/rules", "value": rule("*")}]},
            {"clusterName": "b", "clusterOverrides": [{"path": "/nothing/here", "value": 1}]},
        ]}});
        let judged = grants(roles, &value, None);
        assert_eq!(judged.iter().map(|g| g["rules"][0]["verbs"][0].as_str().unwrap()).collect::<Vec<_>>(), ["get", "*"]);
        assert_eq!((judged[1]["kind"].as_str(), object::name(&judged[1])), (Some("ClusterRole"), "r"));
        let mut labelled = value.clone();
        object::set(&mut labelled, &["metadata", "labels", "a"], "b".into());
        assert!(grants(roles, &labelled, Some(&value)).is_empty());
        assert!(grants(&shipped[1], &value, None).is_empty());
    }

    #[test]
    fn who_writes_a_template_must_be_allowed_to_write_its_kind() {
        let config = &comity_api_kubefed::type_config::shipped()[0];
        let asked = authority(config, "update", "ignored", "admin");
        assert_eq!((asked.target.resource.as_str(), asked.namespace.as_str(), asked.verb.as_str()), ("clusterroles", "", "update"));
    }
}
