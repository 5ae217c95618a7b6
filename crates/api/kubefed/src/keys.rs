//! Groups, namespaces, finalizers, labels and annotations of KubeFed and of Comity's federation.

/// Group of clusters, type configurations and the control plane's configuration.
pub const CORE_GROUP: &str = "core.kubefed.io";
/// Version of the core group's stored kinds.
pub const CORE_VERSION: &str = "v1beta1";
/// Group of the federated kinds that ship.
pub const TYPES_GROUP: &str = "types.kubefed.io";
/// Version of the federated kinds.
pub const TYPES_VERSION: &str = "v1beta1";
/// Where clusters, type configurations and credentials live on the hub.
pub const SYSTEM_NAMESPACE: &str = "kube-federation-system";
/// Name of the one `KubeFedConfig`.
pub const CONFIG_NAME: &str = "kubefed";

/// Holds a federated object until its copies are gone.
pub const SYNC_FINALIZER: &str = "kubefed.io/sync-controller";
/// `"true"`: deleting the federated object leaves its copies behind, unmanaged.
pub const ORPHAN: &str = "kubefed.io/orphan";
/// JSON `DeleteOptions` for deletes in members.
pub const DELETE_OPTION: &str = "kubefed.io/deleteoption";

/// `Abort`, `Adopt`, `AdoptIfEqual` or `ReadOnly`: what happens with an unmanaged object of the same name.
pub const ADOPT: &str = "comity.dev/adopt";
/// `Wait`, `Defer` or `Orphan`: what deletion does about members that do not answer.
pub const ON_UNREACHABLE: &str = "comity.dev/on-unreachable";
/// On what holds deletions back: the id that it shows, which lets exactly these deletions go.
pub const ALLOW_DELETIONS: &str = "comity.dev/allow-deletions";
/// `Keep` or `Remove`: what happens with what others add to RBAC rules, NetworkPolicies and containers of pod templates.
pub const ADDITIONS: &str = "comity.dev/additions";
/// On the `KubeFedConfig`: how many deletions may follow from a changed wish; see [`crate::deletion`].
pub const DELETION_LIMITS: &str = "comity.dev/deletion-limits";
/// On the `KubeFedConfig`: how long a deletion waits for a member that does not answer.
pub const DEFER_AFTER: &str = "comity.dev/defer-after";
/// `strict`: KubeFed's behaviour to the letter.
pub const COMPAT: &str = "comity.dev/compat";

/// On the hub's system namespace: the hub's id, as ownership marks name it.
pub const HUB_ID: &str = "comity.dev/hub-id";
/// On the hub's system namespace: the hub's epoch.
pub const HUB_EPOCH: &str = "comity.dev/hub-epoch";

/// On a cluster: `profile` or `cluster-admin`, the rights that the hub was given there.
pub const CLUSTER_ROLE: &str = "comity.dev/cluster-role";

/// Namespaces that are never federated, beside the system namespace itself.
pub const RESERVED_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "default"];

/// Condition of a cluster: deletions in it wait for a word of its administrator.
pub const DELETIONS_HELD: &str = "DeletionsHeld";
/// Condition of a cluster: copies in it are deleted when it answers again.
pub const DELETIONS_DEFERRED: &str = "DeletionsDeferred";
