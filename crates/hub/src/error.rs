//! Why something could not be started.

use std::{net::SocketAddr, path::PathBuf};

/// A failure at start; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No folder for data is known.
    #[error("no folder for data: HOME is not set; give one with --data-dir")]
    NoHome,
    /// A file or folder cannot be used.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file has content that cannot be understood.
    #[error("{} cannot be understood: {why}; move it away or start with --reset", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The folder was written by a newer program.
    #[error("{} has data format {found}, this program knows up to {known}; use a newer comity", path.display())]
    NewerFormat {
        /// The data folder.
        path: PathBuf,
        /// Format of the data.
        found: u32,
        /// Newest format this program knows.
        known: u32,
    },
    /// The folder is in use.
    #[error("{} is in use by {holder}; stop it first or give another --data-dir", path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// An instance works at a hub on an existing Kubernetes.
    #[error("{name} is in use by instance {holder}, which renews its Lease; stop it first")]
    Led {
        /// The hub.
        name: String,
        /// The instance.
        holder: String,
    },
    /// A stored port is taken by somebody else.
    #[error(
        "{name}: address {address}, which it had before, is taken ({source}); stop what uses it, or start with --reset to choose new ports"
    )]
    PortTaken {
        /// Hub or member.
        name: String,
        /// Its address.
        address: SocketAddr,
        /// Why binding failed.
        source: std::io::Error,
    },
    /// A component failed to start.
    #[error("{name}: {what}: {why}")]
    Component {
        /// Hub or member.
        name: String,
        /// Component.
        what: &'static str,
        /// Why.
        why: String,
    },
}

impl StartError {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    pub(crate) fn component(name: &str, what: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        let name = name.to_owned();
        move |why| Self::Component { name: name.clone(), what, why: why.to_string() }
    }
}
