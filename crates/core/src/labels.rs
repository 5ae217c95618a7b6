//! Label, annotation and finalizer keys that several crates read or write.

/// Set by KubeFed and Comity on every copy of a federated object; a user's `"false"` means: never touch.
pub const KUBEFED_MANAGED: &str = "kubefed.io/managed";
/// The hub that owns a copy, so that one selector finds every copy in a member.
pub const HUB: &str = "comity.dev/hub";
/// Says that an object, or the node it runs on, is simulated.
pub const SIMULATED: &str = "comity.dev/simulated";
/// The ownership mark; see [`crate::marks`].
pub const OWNER: &str = "comity.dev/owner";
/// What an adopted object was before; see the release of copies.
pub const ADOPTED: &str = "comity.dev/adopted";
/// Every namespace carries its own name under this key.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// What `kubectl apply` last applied.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
