//! What a join makes, as plain objects.

use comity_core::{GroupVersionResource, Value, json};

/// The resources that joining touches.
pub(super) struct Resources {
    pub namespaces: GroupVersionResource,
    pub secrets: GroupVersionResource,
    pub service_accounts: GroupVersionResource,
    pub cluster_roles: GroupVersionResource,
    pub cluster_role_bindings: GroupVersionResource,
    pub roles: GroupVersionResource,
    pub role_bindings: GroupVersionResource,
    pub clusters: GroupVersionResource,
    pub configs: GroupVersionResource,
    pub types: GroupVersionResource,
}

impl Default for Resources {
    fn default() -> Self {
        let core = |resource| GroupVersionResource::new("", "v1", resource);
        let rbac = |resource| GroupVersionResource::new("rbac.authorization.k8s.io", "v1", resource);
        let kubefed = |resource| GroupVersionResource::new("core.kubefed.io", "v1beta1", resource);
        Self {
            namespaces: core("namespaces"),
            secrets: core("secrets"),
            service_accounts: core("serviceaccounts"),
            cluster_roles: rbac("clusterroles"),
            cluster_role_bindings: rbac("clusterrolebindings"),
            roles: rbac("roles"),
            role_bindings: rbac("rolebindings"),
            clusters: kubefed("kubefedclusters"),
            configs: kubefed("kubefedconfigs"),
            types: kubefed("federatedtypeconfigs"),
        }
    }
}

/// `<cluster>-<host>`: name of the ServiceAccount and of its token Secret.
pub(super) fn account_name(cluster: &str, host: &str) -> String {
    format!("{cluster}-{host}")
}

/// Name of the role and of its binding.
pub(super) fn role_name(account: &str) -> String {
    format!("kubefed-controller-manager:{account}")
}

/// Name of the cluster-scoped role for health checks when the federation is limited to one namespace.
pub(super) fn health_role_name(namespace: &str, account: &str) -> String {
    format!("kubefed-controller-manager:{namespace}:healthcheck-{account}")
}

pub(super) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

pub(super) fn service_account(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
        "automountServiceAccountToken": false,
    })
}

pub(super) fn token_secret(namespace: &str, account: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": account, "namespace": namespace, "annotations": {"kubernetes.io/service-account.name": account}},
    })
}

/// Everything: the credential must also write types that are enabled later, and ClusterRoles.
pub(super) fn all_rules() -> Value {
    json!([
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
    ])
}

pub(super) fn role(kind: &str, namespace: Option<&str>, name: &str, rules: &Value) -> Value {
    let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "rules": rules});
    if let Some(namespace) = namespace {
        role["metadata"]["namespace"] = namespace.into();
    }
    role
}

/// Binds a role of the same name to the account.
pub(super) fn binding(role_kind: &str, binding_namespace: Option<&str>, name: &str, namespace: &str, account: &str) -> Value {
    let mut binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{role_kind}Binding"), "metadata": {"name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": name},
    });
    if let Some(namespace) = binding_namespace {
        binding["metadata"]["namespace"] = namespace.into();
    }
    binding
}

pub(super) fn hub_secret(namespace: &str, cluster: &str, name: Option<&str>, token: &str) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace}, "data": {"token": token}});
    match name {
        Some(name) => secret["metadata"]["name"] = name.into(),
        None => secret["metadata"]["generateName"] = format!("{cluster}-").into(),
    }
    secret
}
