//! One API server with what makes it a cluster: its folder, credentials, store and controllers.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use comity_apiserver::{ApiServer, Config, StartError as ServerError, User, admission::Admission, client, fields};
use comity_kubelite::{Clients, Handle, HubConfig, MemberConfig};
use comity_lane::client::ClusterClient;
use comity_pki::{Authority, Issued, PkiError, ServerTls, TokenSigner};
pub use comity_store::EncryptionKeys;
use comity_store::{FatalHook, Options, Store};

use crate::{
    StartError, identities,
    kubeconfig::Entry,
    layout::{ServerRole, make_dir},
    pod_logs::LatePodLogs,
};

/// Addresses of Services; the first one is the server's own in-cluster address.
const SERVICE_CIDR: &str = "10.96.0.0/16";
const SERVICE_ADDRESS: [u8; 4] = [10, 96, 0, 1];
/// The user of the administrator's certificate.
const ADMIN: &str = "kubernetes-admin";
/// Names by which clients may call the server.
const NAMES: [&str; 5] =
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

/// Disk space that the hub sets aside and gives up when the disk is nearly full.
const BALLAST: u64 = 64 << 20;

/// A running hub or member.
pub struct Embedded {
    role: ServerRole,
    server: ApiServer,
    store: Store,
    entry: Entry,
    renewal: Arc<Renewal>,
    controllers: Handle,
}

/// How servers keep their objects.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Keys that stored values are encrypted with.
    pub encryption: Option<EncryptionKeys>,
    /// Start although acknowledged writes are missing on the disk.
    pub accept_data_loss: bool,
}

/// Admission plugins beyond those that every API server has.
#[derive(Default)]
pub(crate) struct Plugins {
    /// Before the server's own.
    pub first: Vec<Arc<dyn Admission>>,
    /// After the server's own.
    pub last: Vec<Arc<dyn Admission>>,
}

/// Credentials of a server, as its folder keeps them.
struct Credentials {
    authority: Authority,
    signer: TokenSigner,
    admin: Issued,
    tls: ServerTls,
    addresses: Vec<IpAddr>,
}

impl Embedded {
    /// Opens the folder, starts the server and its controllers.
    pub(crate) async fn start(
        role: ServerRole,
        folder: &Path,
        listen: SocketAddr,
        plugins: Plugins,
        storage: Storage,
        on_fatal: FatalHook,
    ) -> Result<Self, StartError> {
        make_dir(folder)?;
        let name = role.name().to_owned();
        let credentials = credentials(&name, &folder.join("pki"), listen)?;
        let store_folder = folder.join("store");
        make_dir(&store_folder)?;
        let mut options = Options::fjall(&store_folder);
        options.on_fatal = Some(on_fatal);
        options.encryption = storage.encryption;
        options.accept_data_loss = storage.accept_data_loss;
        if role == ServerRole::Hub {
            options.ballast = BALLAST;
        }
        options.extractor = fields::extractor();
        options.seldom_read = vec!["events".into()];
        // Opening replays the log: that is work for a blocking thread.
        let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
        let store =
            opened.map_err(|e| StartError::component(&name, "store")(&e))?.map_err(|e| StartError::component(&name, "store")(&e))?;

        let mut config = Config::new(&name, store.clone(), credentials.tls.config());
        config.listen = Some(listen);
        config.service_cidr = SERVICE_CIDR.to_owned();
        config.server_ca = credentials.authority.certificate_pem().to_owned();
        config.client_ca = credentials.authority.certificate_pem().to_owned();
        config.token_signer = Some(Arc::new(credentials.signer));
        config.first_admission = plugins.first;
        config.admission = plugins.last;
        let pod_logs = LatePodLogs::default();
        if matches!(role, ServerRole::Member(_)) {
            config.pod_streams = Some(Arc::new(pod_logs.clone()));
        }
        let server = comity_apiserver::start(config).await.map_err(|error| match error {
            ServerError::Listen { address, source } => StartError::PortTaken { name: name.clone(), address, source },
            other => StartError::component(&name, "API server")(&other),
        })?;
        let failed = |what| StartError::component(&name, what);
        identities::grant(&server).await.map_err(|e| failed("access rules of controllers")(&e))?;
        let ca_pem = credentials.authority.certificate_pem().to_owned();
        let controllers = controllers(&role, &server, &ca_pem);
        controllers.synced().await;
        pod_logs.set(controllers.pod_logs());
        let entry = Entry {
            role: role.clone(),
            server: url(server.address()),
            ca: credentials.authority.certificate_pem().to_owned(),
            certificate: credentials.admin.certificate_pem,
            key: credentials.admin.key_pem,
        };
        let renewal =
            Renewal { authority: credentials.authority, tls: credentials.tls, addresses: credentials.addresses, entry: entry.clone() };
        Ok(Self { role, server, store, entry, renewal: Arc::new(renewal), controllers })
    }

    /// Hub or member.
    pub fn role(&self) -> &ServerRole {
        &self.role
    }

    /// How people reach it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What issues its certificates anew while it runs.
    pub(crate) fn renewal(&self) -> Arc<Renewal> {
        self.renewal.clone()
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A client in this process that acts as the administrator.
    pub fn admin(&self) -> ClusterClient {
        ClusterClient::new(self.server.client(User::system("kubernetes-admin")))
    }

    /// A client in this process with a user of its own.
    pub fn client(&self, user: User) -> ClusterClient {
        ClusterClient::new(self.server.client(user))
    }

    /// Stops the controllers, then the server, then closes the store.
    pub(crate) async fn stop(self, deadline: Duration) {
        self.controllers.stop().await;
        self.server.shutdown(deadline).await;
        self.store.close().await;
    }
}

/// Issues a server's certificates anew; the server shows the new one at once.
pub(crate) struct Renewal {
    authority: Authority,
    tls: ServerTls,
    addresses: Vec<IpAddr>,
    entry: Entry,
}

impl Renewal {
    /// New certificates of the server and of its administrator; the entry for the kubeconfig.
    pub(crate) fn renew(&self) -> Result<Entry, PkiError> {
        self.tls.replace(&self.authority.issue_server(&NAMES, &self.addresses)?)?;
        let admin = self.authority.issue_client(ADMIN, &[User::MASTERS])?;
        Ok(Entry { certificate: admin.certificate_pem, key: admin.key_pem, ..self.entry.clone() })
    }
}

/// The controllers that every API server needs, and in a member those that run workloads.
fn controllers(role: &ServerRole, server: &ApiServer, ca_pem: &str) -> Handle {
    let cx = server.cx().clone();
    let clients: Clients = Arc::new(move |user: &str| ClusterClient::new(client::in_process(&cx, identities::user(user))));
    let ca_pem = ca_pem.to_owned();
    match role {
        ServerRole::Hub => comity_kubelite::start_hub_set(&HubConfig { clients, ca_pem }),
        ServerRole::Member(cluster) => {
            let version = crate::kubernetes_version().to_owned();
            comity_kubelite::start_member_set(&MemberConfig { ca_pem, version, ..MemberConfig::new(cluster, clients) })
        }
    }
}

/// Authority, token key and server certificate; what can expire is issued anew at every start.
fn credentials(name: &str, folder: &Path, listen: SocketAddr) -> Result<Credentials, StartError> {
    let failed = StartError::component(name, "credentials");
    make_dir(folder)?;
    let authority = Authority::load_or_create(&folder.join("ca"), &format!("comity-{name}")).map_err(|e| failed(&e))?;
    let mut addresses: Vec<IpAddr> = vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into(), SERVICE_ADDRESS.into()];
    if !listen.ip().is_unspecified() && !addresses.contains(&listen.ip()) {
        addresses.push(listen.ip());
    }
    let certificate = authority.issue_server(&NAMES, &addresses).map_err(|e| failed(&e))?;
    let admin = authority.issue_client(ADMIN, &[User::MASTERS]).map_err(|e| failed(&e))?;
    let tls = ServerTls::new(&certificate, Some(authority.certificate_pem())).map_err(|e| failed(&e))?;
    let signer = TokenSigner::load_or_create(&folder.join("tokens")).map_err(|e| failed(&e))?;
    Ok(Credentials { authority, signer, admin, tls, addresses })
}

/// The URL that clients use; a server that listens everywhere is called by its loopback address.
fn url(address: SocketAddr) -> String {
    let host = if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address };
    format!("https://{host}")
}
