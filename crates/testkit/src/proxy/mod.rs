//! A TLS proxy in front of a cluster: HTTP/1.1 and HTTP/2, with faults that are switched while it runs.

mod connection;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use comity_pki::{Authority, ServerTls};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{
    fault::{Fault, Gate},
    upstream::{BoxError, Remote, Upstream},
};
use connection::Ice;

/// The proxy. Dropping it ends it.
pub struct Proxy {
    gate: Arc<Gate>,
    address: SocketAddr,
    ca: String,
    accepted: Arc<AtomicUsize>,
    task: tokio::task::AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// In front of the cluster at a URL.
    ///
    /// # Errors
    /// The URL cannot be read, or there is no free port.
    pub async fn before(url: &str) -> Result<Self, BoxError> {
        Self::start(Arc::new(Remote::new(url)?)).await
    }

    /// In front of any cluster.
    ///
    /// # Errors
    /// There is no free port, or no certificate can be made.
    pub async fn start(upstream: Arc<dyn Upstream>) -> Result<Self, BoxError> {
        let authority = Authority::new("proxy")?;
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let gate = Gate::new(upstream);
        let accepted: Arc<AtomicUsize> = Arc::default();
        let (right, wrong) = (acceptor(&authority)?, acceptor(&Authority::new("somebody else")?)?);
        let server = Server { gate: gate.clone(), address, right, wrong, accepted: accepted.clone() };
        let task = tokio::spawn(server.run(listener)).abort_handle();
        Ok(Self { gate, address, ca: authority.certificate_pem().to_owned(), accepted, task })
    }

    /// Where members are reached through it.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate (PEM) by which its clients know it.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Connections that were taken so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The gate that every request passes.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Another fault from now on.
    pub fn set(&self, fault: Fault) {
        self.gate.set(fault);
    }
}

fn acceptor(authority: &Authority) -> Result<TlsAcceptor, BoxError> {
    let certificate = authority.issue_server(&["localhost"], &[[127, 0, 0, 1].into()])?;
    let mut config = rustls::ServerConfig::clone(&*ServerTls::new(&certificate, None)?.config());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct Server {
    gate: Arc<Gate>,
    address: SocketAddr,
    right: TlsAcceptor,
    wrong: TlsAcceptor,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    async fn run(self, first: TcpListener) {
        let mut changes = self.gate.changes();
        let mut listener = Some(first);
        let mut connections = JoinSet::new();
        let mut ice = Ice::default();
        loop {
            let fault = changes.borrow_and_update().clone();
            match fault {
                Fault::Refused => {
                    listener = None;
                    connections.shutdown().await;
                }
                Fault::WrongCertificate => connections.shutdown().await,
                Fault::HalfOpen => ice.freeze(),
                _ => {}
            }
            if fault != Fault::Refused && listener.is_none() {
                listener = TcpListener::bind(self.address).await.ok();
            }
            let Some(open) = &listener else {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            // a fault that is there to stay is looked at once; connections are taken until the next one
            loop {
                tokio::select! {
                    changed = changes.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    accepted = open.accept() => if let Ok((stream, _)) = accepted {
                        self.accepted.fetch_add(1, Ordering::Relaxed);
                        let acceptor = if fault == Fault::WrongCertificate { &self.wrong } else { &self.right };
                        connections.spawn(connection::serve(self.gate.clone(), acceptor.clone(), stream, ice.current()));
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
            // what was frozen stays frozen; what comes now is not
            if fault == Fault::HalfOpen {
                ice = Ice::default();
            }
        }
    }
}
