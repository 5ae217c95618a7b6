//! A Kubernetes-compatible API server over the store, driven by the schema table.
//!
//! A request comes from the network ([`listen`]) or from a client in the same process ([`client`]); both call
//! [`serve::serve`], which authenticates, authorizes and hands it to [`handlers`]. Kinds are data ([`registry`],
//! the schema's strategies); the few functions that a kind needs besides are its hooks ([`kinds`]).

pub mod admission;
pub mod answer;
pub mod authn;
pub mod authz;
pub mod boot;
pub mod client;
pub mod config;
pub mod convert;
pub mod crd;
pub mod cx;
pub mod discovery;
mod expiry;
pub mod fields;
pub mod frame;
pub mod handlers;
pub mod kinds;
pub mod listen;
pub mod registry;
pub mod request;
pub mod reviews;
pub mod serve;
pub mod server;
pub mod streams;
pub mod subresources;
pub mod table;
pub mod user;

pub use admission::{Admission, AdmissionContext, Operation};
pub use config::{Config, StartError};
pub use cx::Cx;
pub use server::{ApiServer, start};
pub use streams::{LogOptions, PodStreams};
pub use user::User;

/// The Kubernetes version whose API is served, such as `v1.36.3`.
pub fn kubernetes_version() -> &'static str {
    comity_schema::builtin::table().kubernetes()
}
