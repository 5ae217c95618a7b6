//! Composition: a hub and embedded members, as they are started and stopped in one process or in several.

pub mod demo;
pub mod embedded;
pub mod error;
pub mod existing;
pub mod kubeconfig;
pub mod layout;
pub mod recover;

mod admission;
mod federation;
mod identities;
mod instance;
mod pod_logs;
mod ports;
mod type_configs;

pub use error::StartError;

/// The Kubernetes version whose API the servers claim, such as `v1.36.3`.
pub fn kubernetes_version() -> &'static str {
    comity_apiserver::kubernetes_version()
}
