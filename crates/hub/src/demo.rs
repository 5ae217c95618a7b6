//! A fleet in one process: a hub, embedded members, and what joins them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use comity_api_kubefed::{cluster, keys};
use comity_core::{GroupVersionResource, object};
use comity_fleet::join::{JoinOptions, join};
use comity_lane::cache::{Cache, CacheEvent, Interest};
use comity_pki::RENEW_AFTER;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use crate::{
    StartError, admission,
    embedded::{Embedded, Plugins, Renewal, Storage},
    federation::Federation,
    kubeconfig::{self, Entry},
    layout::{Layout, ServerRole, write_private},
    ports::Ports,
};

/// How long a start waits for joined members to be reported as ready; they may also be away for good.
const READY_WAIT: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Folder for all data.
    pub data_dir: PathBuf,
    /// Where the kubeconfig goes; in the data folder when absent.
    pub kubeconfig: Option<PathBuf>,
    /// Whether a hub runs.
    pub hub: bool,
    /// Names of the embedded members.
    pub members: Vec<String>,
    /// Whether members are joined when they are first created.
    pub join: bool,
    /// Address of the first server; the stored or a free port on 127.0.0.1 when absent.
    pub listen: Option<SocketAddr>,
    /// Forget everything from earlier starts.
    pub reset: bool,
    /// How all servers keep their objects.
    pub storage: Storage,
    /// Names of links to this program for the `PATH`.
    pub links: Vec<&'static str>,
}

/// A running fleet.
pub struct Fleet {
    layout: Layout,
    kubeconfig: PathBuf,
    entries: Vec<Entry>,
    servers: Vec<Embedded>,
    federation: Option<Federation>,
    failures: Mutex<mpsc::UnboundedReceiver<String>>,
    renewals: Option<JoinHandle<()>>,
}

/// Starts a fleet; everything answers when this returns.
///
/// # Errors
/// The folder, a port or a component cannot be used; nothing keeps running then.
pub async fn start(options: FleetOptions) -> Result<Fleet, StartError> {
    let layout = Layout::open(&options.data_dir, options.reset)?;
    let mut ports = Ports::load(&layout.ports())?;
    let (fail, failures) = mpsc::unbounded_channel();
    let mut servers = Vec::new();
    let roles = options.hub.then_some(ServerRole::Hub).into_iter().chain(options.members.iter().cloned().map(ServerRole::Member));
    let starts = roles.enumerate().map(|(index, role)| {
        let listen = ports.wanted(role.name(), options.listen.filter(|_| index == 0));
        let folder = layout.server(&role);
        let fail = fail.clone();
        let storage = options.storage.clone();
        let name = role.name().to_owned();
        let plugins = if role == ServerRole::Hub { admission::plugins() } else { Plugins::default() };
        async move {
            let on_fatal = Arc::new(move |why: &str| drop(fail.send(format!("{name}: {why}"))));
            Embedded::start(role, &folder, listen, plugins, storage, on_fatal).await
        }
    });
    let mut first_error = None;
    for started in futures::future::join_all(starts).await {
        match started {
            Ok(server) => servers.push(server),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    let mut fleet = Fleet {
        kubeconfig: options.kubeconfig.clone().unwrap_or_else(|| layout.kubeconfig()),
        entries: servers.iter().map(|s| s.entry().clone()).collect(),
        layout,
        servers,
        federation: None,
        failures: Mutex::new(failures),
        renewals: None,
    };
    let outcome = match first_error {
        Some(error) => Err(error),
        None => fleet.finish(&options, &mut ports).await,
    };
    match outcome {
        Ok(()) => Ok(fleet),
        Err(error) => {
            fleet.stop(Duration::from_secs(1)).await;
            Err(error)
        }
    }
}

impl Fleet {
    /// The servers' contexts; the hub's first, if there is a hub.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The kubeconfig that was written.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder for the `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.layout.bin()
    }

    /// Waits until a store fails for good; says why.
    pub async fn failed(&self) -> String {
        match self.failures.lock().await.recv().await {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Stops everything, waiting at most the deadline for requests being served.
    pub async fn stop(mut self, deadline: Duration) {
        if let Some(renewals) = self.renewals.take() {
            renewals.abort();
        }
        if let Some(federation) = self.federation.take() {
            federation.stop().await;
        }
        futures::future::join_all(self.servers.drain(..).map(|s| s.stop(deadline))).await;
    }

    /// What comes after the servers: ports, contexts, links, federation, joins.
    async fn finish(&mut self, options: &FleetOptions, ports: &mut Ports) -> Result<(), StartError> {
        for server in &self.servers {
            let port = server.entry().server.rsplit(':').next().and_then(|p| p.parse().ok()).unwrap_or(0);
            ports.remember(server.role().name(), port)?;
        }
        kubeconfig::write(&self.kubeconfig, &self.entries)?;
        let renewals = self.servers.iter().map(Embedded::renewal).collect();
        self.renewals = Some(tokio::spawn(renew(renewals, self.kubeconfig.clone())));
        link(&self.layout.bin(), &options.links)?;
        let Some(hub) = self.servers.iter().find(|s| *s.role() == ServerRole::Hub) else { return Ok(()) };
        self.federation = Some(Federation::start(hub, self.layout.root()).await?);
        for member in self.servers.iter().filter(|s| *s.role() != ServerRole::Hub) {
            let marker = self.layout.server(member.role()).join("created");
            if marker.exists() {
                continue;
            }
            if options.join {
                join_member(hub, member).await?;
            }
            write_private(&marker, b"")?;
        }
        self.members_ready(hub).await;
        Ok(())
    }

    /// Waits until every joined member that runs here is reported as ready.
    async fn members_ready(&self, hub: &Embedded) {
        let clusters = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, "kubefedclusters");
        let interest = Interest { namespace: Some(keys::SYSTEM_NAMESPACE.to_owned()), ..Interest::all(clusters) };
        let (changed, mut changes) = mpsc::unbounded_channel();
        let on_event = move |_: &CacheEvent| {
            // Nobody listens any more once all are ready.
            let _ = changed.send(());
        };
        let cache = Cache::start(hub.admin(), interest, Arc::new(on_event));
        let here = |name: &str| self.servers.iter().any(|s| s.role().name() == name);
        let all_ready = async {
            cache.synced().await;
            while !cache.list().iter().all(|c| cluster::is_ready(c) || !here(object::name(c))) {
                if changes.recv().await.is_none() {
                    return;
                }
            }
        };
        if tokio::time::timeout(READY_WAIT, all_ready).await.is_err() {
            tracing::warn!("not every joined member is ready; `comity status` says which");
        }
    }
}

async fn join_member(hub: &Embedded, member: &Embedded) -> Result<(), StartError> {
    let entry = member.entry();
    let options = JoinOptions {
        cluster: member.role().name().to_owned(),
        host: hub.role().context(),
        namespace: keys::SYSTEM_NAMESPACE.to_owned(),
        // A start that was interrupted between joining and noting it finds its own artefacts.
        error_on_existing: false,
        endpoint: entry.server.clone(),
        ca_bundle: Some(entry.ca.clone().into_bytes()),
        ..JoinOptions::default()
    };
    let log = |line: &str| tracing::info!(cluster = options.cluster, "{line}");
    join(&hub.admin(), &member.admin(), &options, &log).await.map_err(|e| StartError::component(&options.cluster, "join")(&e))
}

/// Issues certificates anew before they end, for as long as the fleet runs.
async fn renew(renewals: Vec<Arc<Renewal>>, kubeconfig: PathBuf) {
    loop {
        tokio::time::sleep(RENEW_AFTER).await;
        let entries: Result<Vec<Entry>, _> = renewals.iter().map(|renewal| renewal.renew()).collect();
        let written = entries.map_err(|e| e.to_string()).and_then(|all| kubeconfig::write(&kubeconfig, &all).map_err(|e| e.to_string()));
        if let Err(error) = written {
            tracing::error!(error, "certificates could not be issued anew; a restart does it");
        }
    }
}

/// Links to this program; links of an earlier place are replaced.
fn link(folder: &Path, names: &[&str]) -> Result<(), StartError> {
    if names.is_empty() {
        return Ok(());
    }
    crate::layout::make_dir(folder)?;
    let program = std::env::current_exe().map_err(StartError::file("cannot find this program for links in", folder))?;
    for name in names.iter().chain(&["comity"]) {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(StartError::file("cannot replace", path)(error)),
            _ => {}
        }
        std::os::unix::fs::symlink(&program, &path).map_err(StartError::file("cannot link", path))?;
    }
    Ok(())
}
