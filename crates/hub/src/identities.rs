//! Who the parts inside the process are, and what they may do beyond the bootstrap roles.

use std::collections::BTreeSet;

use comity_api_kubefed::keys;
use comity_apiserver::{ApiServer, user::User};
use comity_core::{GroupVersionResource, Value, json};
use comity_lane::client::{ClientError, ClusterClient, PatchKind};

const MANAGER: &str = "comity";
/// The user of the federation controllers, and the name of their role.
pub(crate) const FEDERATION: &str = "comity:federation";
/// The role of their records in the federation namespace.
const RECORDS: &str = "comity:federation-records";
const SIMULATED_NODES: &str = "comity:simulated-nodes";

/// A user of upstream's names, with the groups that go with it, so that audit, rules and managed fields look as on any cluster.
pub(crate) fn user(name: &str) -> User {
    let groups = comity_kubelite::groups_of(name);
    User::new(name, &groups.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The user of the federation controllers on the hub.
pub(crate) fn federation() -> User {
    User::new(FEDERATION, &[])
}

/// Makes the roles that no recorded bootstrap role covers.
pub(crate) async fn grant(server: &ApiServer) -> Result<(), ClientError> {
    let client = ClusterClient::new(server.client(User::system(MANAGER)));
    grant_federation(&client, &BTreeSet::from([keys::TYPES_GROUP.to_owned()])).await?;
    // A real cluster gives nodes their rights by an authorizer of its own; simulated nodes get the role that stands for it.
    let nodes = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes"});
    apply(&client, "clusterrolebindings", &binding(SIMULATED_NODES, "system:node", &nodes)).await
}

/// The role of the federation controllers: all of the federated groups, and reading, because any kind may be federated.
pub(crate) async fn grant_federation(client: &ClusterClient, groups: &BTreeSet<String>) -> Result<(), ClientError> {
    let own: Vec<&str> = [keys::CORE_GROUP].into_iter().chain(groups.iter().map(String::as_str)).collect();
    let rules = json!([
        {"apiGroups": own, "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]},
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
    ]);
    apply(client, "clusterroles", &role(FEDERATION, &rules)).await?;
    let user = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": FEDERATION});
    apply(client, "clusterrolebindings", &binding(FEDERATION, FEDERATION, &user)).await
}

/// The records of the federation controllers beside the clusters: deletions that come later, and the day's deletions.
pub(crate) async fn grant_records(client: &ClusterClient) -> Result<(), ClientError> {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": RECORDS, "namespace": keys::SYSTEM_NAMESPACE});
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "patch", "update"]}]);
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": rules});
    apply_in(client, keys::SYSTEM_NAMESPACE, "roles", &role).await?;
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": RECORDS},
        "subjects": [{"apiGroup": group, "kind": "User", "name": FEDERATION}],
    });
    apply_in(client, keys::SYSTEM_NAMESPACE, "rolebindings", &binding).await
}

fn role(name: &str, rules: &Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
}

fn binding(name: &str, role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    })
}

async fn apply(client: &ClusterClient, resource: &str, object: &Value) -> Result<(), ClientError> {
    apply_in(client, "", resource, object).await
}

async fn apply_in(client: &ClusterClient, namespace: &str, resource: &str, object: &Value) -> Result<(), ClientError> {
    let resource = GroupVersionResource::new("rbac.authorization.k8s.io", "v1", resource);
    let name = comity_core::object::name(object);
    client.patch(&resource, namespace, name, None, PatchKind::Apply { force: true }, object, MANAGER, false).await.map(drop)
}
