//! KubeFed's API groups: typed views of the stored objects, defaults, admission checks and CustomResourceDefinitions.
//!
//! Objects stay [`comity_core::Value`]s; a view reads the fields that decisions need and says what is malformed.
//! Field names, texts and defaults are KubeFed v0.10's; what Comity adds is optional and marked in the docs.

pub mod admission;
pub mod cluster;
pub mod config;
pub mod crds;
pub mod deletion;
pub mod endpoint;
pub mod federated;
pub mod keys;
pub mod type_config;

pub use cluster::KubeFedCluster;
pub use config::KubeFedConfig;
pub use deletion::DeletionLimits;
pub use federated::FederatedSpec;
pub use type_config::{ApiResource, FederatedTypeConfig};

/// Why a stored object cannot be read as what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Reads one top-level field of an object into a view type; an absent field reads as an empty object.
fn view<T: serde::de::DeserializeOwned>(object: &comity_core::Value, field: &str) -> Result<T, Malformed> {
    let value = object.get(field).cloned().unwrap_or_else(|| comity_core::json!({}));
    serde_json::from_value(value).map_err(|error| Malformed(format!("{field}: {error}")))
}
