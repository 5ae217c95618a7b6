//! Joining a cluster to a hub and taking it out again, with KubeFed's artefacts, names and messages.
//!
//! In the member: namespace, ServiceAccount `<cluster>-<host>`, its token Secret, ClusterRole and ClusterRoleBinding.
//! On the hub: a Secret with the token and the KubeFedCluster. Source of names and texts: KubeFed v0.10.

mod artefacts;
mod join_cluster;
mod profile;
mod unjoin_cluster;

pub use join_cluster::{ClusterRole, JoinOptions, join};
pub use unjoin_cluster::{UnjoinOptions, unjoin};

use comity_lane::client::ClientError;

/// Why a cluster could not be joined or unjoined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Something of that name is there already.
    #[error("{0}")]
    Exists(String),
    /// A name, or something the command line said, cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// The hub does not run federation.
    #[error("{0}")]
    NotAHub(String),
    /// A request failed; the text says what was tried.
    #[error("{what}: {source}")]
    Request {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: ClientError,
    },
    /// The member did not fill the token Secret in time.
    #[error(
        "token of service account secret {secret} was not issued within {seconds} s; does the joining cluster run its token controller?"
    )]
    NoToken {
        /// `namespace/name` of the Secret.
        secret: String,
        /// How long was waited.
        seconds: u64,
    },
}

/// Receives what is done, one line at a time (`--v=2` prints them).
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

pub(crate) fn failed(what: impl Into<String>) -> impl FnOnce(ClientError) -> JoinError {
    let what = what.into();
    move |source| JoinError::Request { what, source }
}
