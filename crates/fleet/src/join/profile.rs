//! The rules of `--cluster-role=profile`: what the hub does in a member for the types that are enabled, and nothing else.

use std::collections::BTreeMap;

use comity_api_kubefed::FederatedTypeConfig;
use comity_core::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";
/// What is done with copies.
const COPIES: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];
/// How the cluster is looked at: health, version, and what it serves.
const PATHS: [&str; 7] = ["/healthz", "/version", "/version/", "/api", "/api/*", "/apis", "/apis/*"];

/// The rules for a member; `namespaced`: only those that a Role in one namespace can hold.
pub(super) fn rules(types: &[FederatedTypeConfig], namespaced: bool) -> Value {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let targets = types.iter().filter(|t| t.enabled()).map(|t| &t.spec.target_type).filter(|t| t.namespaced() || !namespaced);
    for target in targets {
        kinds.entry(&target.group).or_default().push(&target.plural_name);
    }
    let mut rules: Vec<Value> = Vec::new();
    for (group, resources) in &mut kinds {
        resources.sort_unstable();
        resources.dedup();
        rules.push(json!({"apiGroups": [group], "resources": resources, "verbs": COPIES}));
    }
    rules.extend(granting(kinds.get(RBAC).map_or(&[], Vec::as_slice)));
    // who else sets replicas, and whether another instance of the hub writes
    rules.push(json!({"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["get", "list", "watch"]}));
    rules.push(json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"]}));
    if !namespaced {
        // the namespaces of copies are made where nobody federates them
        rules.push(json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "create"]}));
        rules.push(json!({"nonResourceURLs": PATHS, "verbs": ["get"]}));
    }
    rules.into()
}

/// RBAC lets nobody write more rights than he has, unless he may do just that.
fn granting(kinds: &[&str]) -> Vec<Value> {
    let of = |wanted: &[&'static str]| -> Vec<&str> { wanted.iter().copied().filter(|kind| kinds.contains(kind)).collect() };
    let mut rules = Vec::new();
    let roles = of(&["clusterroles", "roles"]);
    if !roles.is_empty() {
        rules.push(json!({"apiGroups": [RBAC], "resources": roles, "verbs": ["escalate"]}));
    }
    if !of(&["clusterrolebindings", "rolebindings"]).is_empty() {
        rules.push(json!({"apiGroups": [RBAC], "resources": ["clusterroles", "roles"], "verbs": ["bind"]}));
    }
    rules
}

#[cfg(test)]
mod tests {
    use comity_api_kubefed::{ApiResource, type_config::shipped};

    use super::*;

    fn lines(rules: &Value) -> String {
        rules.as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_types_that_ship_need_these_rights() {
        insta::assert_snapshot!(lines(&rules(&shipped(), false)));
    }

    #[test]
    fn bindings_need_bind_and_disabled_types_nothing() {
        let of = |kind: &str, plural: &str| {
            FederatedTypeConfig::for_target(ApiResource::new(RBAC, "v1", kind, plural, true), "types.kubefed.io", "v1beta1")
        };
        let mut off = of("Role", "roles");
        off.spec.propagation = "Disabled".to_owned();
        insta::assert_snapshot!(lines(&rules(&[of("RoleBinding", "rolebindings"), off], true)));
    }
}
