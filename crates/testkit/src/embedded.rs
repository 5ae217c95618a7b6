//! An embedded API server with its objects in memory, on a port that it keeps when it is stopped and started again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use comity_apiserver::{ApiServer, Config, User, client, fields};
use comity_kubelite::{Clients, Handle, HubConfig, MemberConfig};
use comity_lane::ClusterClient;
use comity_pki::{Authority, ServerTls, TokenSigner};
use comity_store::{Options, Store};

/// How long requests that are being served may take when the server stops.
const DRAIN: Duration = Duration::from_millis(200);

/// What runs beside the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controllers {
    None,
    /// Namespaces, garbage, service accounts.
    Hub,
    /// Those, workloads and simulated nodes.
    Member,
}

pub(crate) struct Embedded {
    name: String,
    controllers: Controllers,
    store: Store,
    keys: Keys,
    token: String,
    address: SocketAddr,
    running: Option<(ApiServer, Option<Handle>)>,
}

/// What an API server is known by, and knows others by.
#[derive(Clone)]
pub(crate) struct Keys {
    authority: Arc<Authority>,
    tls: ServerTls,
    signer: Arc<TokenSigner>,
}

impl Keys {
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        let authority = Authority::new(&format!("comity-{name}"))?;
        let certificate = authority.issue_server(&["localhost"], &[[127, 0, 0, 1].into()])?;
        let tls = ServerTls::new(&certificate, Some(authority.certificate_pem()))?;
        Ok(Self { authority: Arc::new(authority), tls, signer: Arc::new(TokenSigner::new()?) })
    }
}

impl Embedded {
    pub(crate) async fn start(name: &str, controllers: Controllers) -> anyhow::Result<Self> {
        Self::with_keys(name.to_owned(), controllers, Keys::new(name)?).await
    }

    pub(crate) async fn with_keys(name: String, controllers: Controllers, keys: Keys) -> anyhow::Result<Self> {
        let store = Store::open(Options { extractor: fields::extractor(), ..Options::mem() })?;
        let mut embedded = Self {
            name,
            controllers,
            store,
            keys,
            token: comity_pki::random_token(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            running: None,
        };
        embedded.start_again().await?;
        Ok(embedded)
    }

    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        let mut config = Config::new(&self.name, self.store.clone(), self.keys.tls.config());
        config.listen = Some(self.address);
        config.server_ca = self.ca().to_owned();
        config.client_ca = self.ca().to_owned();
        config.admin_tokens = vec![self.token.clone()];
        config.token_signer = Some(self.keys.signer.clone());
        let server = comity_apiserver::start(config).await.with_context(|| format!("start the API server {}", self.name))?;
        self.address = server.address();
        let handle = self.start_controllers(&server).await;
        self.running = Some((server, handle));
        Ok(())
    }

    async fn start_controllers(&self, server: &ApiServer) -> Option<Handle> {
        let cx = server.cx().clone();
        let clients: Clients = Arc::new(move |user: &str| ClusterClient::new(client::in_process(&cx, User::system(user))));
        let ca_pem = self.ca().to_owned();
        let handle = match self.controllers {
            Controllers::None => return None,
            Controllers::Hub => comity_kubelite::start_hub_set(&HubConfig { clients, ca_pem }),
            Controllers::Member => comity_kubelite::start_member_set(&MemberConfig { ca_pem, ..MemberConfig::new(&self.name, clients) }),
        };
        handle.synced().await;
        Some(handle)
    }

    pub(crate) async fn stop(&mut self) {
        let Some((server, controllers)) = self.running.take() else { return };
        if let Some(controllers) = controllers {
            controllers.stop().await;
        }
        server.shutdown(DRAIN).await;
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn ca(&self) -> &str {
        self.keys.authority.certificate_pem()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}
