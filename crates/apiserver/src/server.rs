//! Starting and stopping one API server.

use std::{net::SocketAddr, time::Duration};

use comity_store::Store;
use tokio_util::task::TaskTracker;

use crate::{
    boot, client,
    config::{Config, StartError},
    crd,
    cx::Cx,
    expiry, listen,
    user::User,
};

/// A running API server.
pub struct ApiServer {
    cx: Cx,
    address: Option<SocketAddr>,
    tasks: TaskTracker,
}

/// Starts a server; it is listening when this returns.
///
/// # Errors
/// The address cannot be used, a setting makes no sense, or the store refuses the first objects.
pub async fn start(config: Config) -> Result<ApiServer, StartError> {
    let listen = config.listen;
    let tls = config.tls.clone();
    let cx = Cx::new(config)?;
    crd::start(&cx).await.map_err(|e| StartError::Setting(e.message))?;
    boot::run(&cx).await.map_err(|e| StartError::Setting(e.message))?;
    let tasks = TaskTracker::new();
    tasks.spawn(expiry::run(cx.clone()));
    let address = match listen {
        Some(address) => Some(listen::start(&cx, address, tls, &tasks).await.map_err(|source| StartError::Listen { address, source })?),
        None => None,
    };
    if let Some(address) = address {
        boot::publish(&cx, address).await.map_err(|e| StartError::Setting(e.message))?;
    }
    Ok(ApiServer { cx, address, tasks })
}

impl ApiServer {
    /// The address it listens on; the unspecified address when it does not listen.
    pub fn address(&self) -> SocketAddr {
        self.address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// A client inside the process, with the same handler chain as the network and an identity of its own.
    pub fn client(&self, user: User) -> kube::Client {
        client::in_process(&self.cx, user)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.cx.store
    }

    /// The state that handlers see.
    pub fn cx(&self) -> &Cx {
        &self.cx
    }

    /// Ends watches, refuses new connections, and waits for the requests being served, at most until the deadline.
    pub async fn shutdown(self, deadline: Duration) {
        self.cx.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!(server = %self.cx.name, "some connections were still open at the end of the shutdown time");
        }
    }
}
