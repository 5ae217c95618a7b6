//! What an API server is started with.

use std::{net::SocketAddr, sync::Arc};

use comity_store::Store;

use crate::{admission::Admission, authn::TokenSigner, streams::PodStreams};

/// Settings of one API server.
pub struct Config {
    /// Name for messages and logs.
    pub name: String,
    /// The objects.
    pub store: Store,
    /// Server certificate, and how client certificates are asked for.
    pub tls: Arc<rustls::ServerConfig>,
    /// Where to listen; port 0 takes a free one. Nothing: only in-process clients.
    pub listen: Option<SocketAddr>,
    /// Bearer tokens that are `system:masters`.
    pub admin_tokens: Vec<String>,
    /// Key of service account tokens; without one the server issues and accepts none.
    pub token_signer: Option<Arc<dyn TokenSigner>>,
    /// Issuer of service account tokens; also their audience when a request names none.
    pub issuer: String,
    /// Certificates (PEM) by which clients know this server: `ca.crt` in token Secrets.
    pub server_ca: String,
    /// Certificates (PEM) that sign client certificates, for extension servers; empty for none.
    pub client_ca: String,
    /// Admission plugins that run before the server's own: they may make what those require.
    pub first_admission: Vec<Arc<dyn Admission>>,
    /// Further admission plugins, after the server's own.
    pub admission: Vec<Arc<dyn Admission>>,
    /// Where pods run, if anywhere.
    pub pod_streams: Option<Arc<dyn PodStreams>>,
    /// Addresses of Services, such as `10.0.0.0/24`.
    pub service_cidr: String,
    /// Reading requests at one time.
    pub max_reading: usize,
    /// Mutating requests at one time.
    pub max_mutating: usize,
}

impl Config {
    /// Usual settings over a store and a certificate.
    pub fn new(name: &str, store: Store, tls: Arc<rustls::ServerConfig>) -> Self {
        Self {
            name: name.to_owned(),
            store,
            tls,
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            admin_tokens: Vec::new(),
            token_signer: None,
            issuer: "https://kubernetes.default.svc".to_owned(),
            server_ca: String::new(),
            client_ca: String::new(),
            first_admission: Vec::new(),
            admission: Vec::new(),
            pod_streams: None,
            service_cidr: "10.96.0.0/16".to_owned(),
            max_reading: 400,
            max_mutating: 200,
        }
    }
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be used.
    #[error("cannot listen on {address}: {source}; choose another address or stop the process that holds it")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(String),
}
