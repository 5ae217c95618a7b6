//! A real Kubernetes control plane: etcd, kube-apiserver, and on request kube-controller-manager and kube-scheduler.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::cache;
use crate::child::Bound;
use crate::client::Client;
use crate::ports;

/// Which programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parts {
    /// etcd and kube-apiserver.
    ApiServer,
    /// Also kube-controller-manager.
    Controllers,
    /// Also kube-scheduler.
    Scheduler,
}

/// A running control plane; dropping it ends its programs and removes its folder. Not for statics, which are never dropped.
///
/// ```ignore
/// let mut cluster = RealCluster::find(Parts::Controllers)?.start()?;
/// cluster.kill(Some("kube-apiserver"));   // the others go on, as they do when a machine dies
/// cluster.start_again()?;                 // with its objects, at its address
/// ```
#[derive(Debug)]
pub struct RealCluster {
    // In the order in which they must end: clients before the API server, the API server before etcd.
    children: Vec<(&'static str, Bound)>,
    programs: Programs,
    ports: Vec<u16>,
    dir: tempfile::TempDir,
    url: String,
    token: String,
    ca: String,
    client: Client,
}

/// Found programs, ready to start.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    parts: Parts,
    flags: Vec<String>,
}

const START_DEADLINE: Duration = Duration::from_secs(120);

impl RealCluster {
    /// The built programs, or an error that says how to build them.
    pub fn find(parts: Parts) -> anyhow::Result<Programs> {
        let folder = cache::control_plane();
        for name in cache::CONTROL_PLANE {
            cache::require(&folder, name, "cargo xtask real")?;
        }
        Ok(Programs { folder, parts, flags: Vec::new() })
    }

    /// `https://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Bearer token of a member of `system:masters`.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// CA certificates, PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// A client with that token.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Path of a kubeconfig with that token.
    pub fn kubeconfig(&self) -> PathBuf {
        self.at("kubeconfig")
    }

    /// Its folder: `etcd` holds the objects, `certs` the API server's certificate, which is its own authority.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Ends one program without warning, or all of them.
    pub fn kill(&mut self, program: Option<&str>) {
        self.children.retain(|(name, _)| program.is_some_and(|program| program != *name));
    }

    /// Starts what does not run, at the same addresses, and waits until the API server is ready.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.children.retain_mut(|(_, child)| child.ended().is_none());
        for name in ["etcd", "kube-apiserver"] {
            self.run(name)?;
        }
        let certificate = self.at("certs").join("apiserver.crt");
        let (ca, client) = wait_ready(&mut self.children, &self.url, &self.token, &certificate)?;
        fs::write(self.at("ca.crt"), &ca)?;
        fs::write(self.at("kubeconfig"), kubeconfig(&self.url, &self.at("ca.crt"), &self.token))?;
        (self.ca, self.client) = (ca, client);
        for (name, since) in [("kube-controller-manager", Parts::Controllers), ("kube-scheduler", Parts::Scheduler)] {
            if self.programs.parts >= since {
                self.run(name)?;
            }
        }
        Ok(())
    }

    /// The next start makes another certificate authority, and with `tokens` another key for service account tokens.
    pub fn forget_authority(&mut self, tokens: bool) -> anyhow::Result<()> {
        fs::remove_dir_all(self.at("certs"))?;
        if tokens { make_token_key(self.folder()) } else { Ok(()) }
    }

    fn run(&mut self, name: &'static str) -> anyhow::Result<()> {
        if !self.children.iter().any(|(running, _)| *running == name) {
            let child = Bound::start(&self.programs.folder.join(name), &self.flags(name), &self.at(&format!("{name}.log")))?;
            self.children.insert(0, (name, child));
            let order = |name: &str| cache::CONTROL_PLANE.iter().position(|known| *known == name);
            self.children.sort_by_key(|(name, _)| std::cmp::Reverse(order(name)));
        }
        Ok(())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn flags(&self, name: &str) -> Vec<String> {
        let at = |name: &str| self.at(name).display().to_string();
        let etcd_url = format!("http://127.0.0.1:{}", self.ports[0]);
        let local = |port: usize, certificates: &str| {
            vec![
                format!("--secure-port={}", self.ports[port]),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--cert-dir={}", at(certificates)),
            ]
        };
        let client = || vec![format!("--kubeconfig={}", at("kubeconfig")), "--leader-elect=false".to_owned()];
        match name {
            "etcd" => vec![
                "--data-dir".to_owned(),
                at("etcd"),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls=http://127.0.0.1:{}", self.ports[1]),
                "--log-level=error".to_owned(),
                "--unsafe-no-fsync".to_owned(),
            ],
            "kube-apiserver" => {
                let own = [
                    format!("--etcd-servers={etcd_url}"),
                    "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                    format!("--service-account-key-file={}", at("sa.pub")),
                    format!("--service-account-signing-key-file={}", at("sa.key")),
                    format!("--token-auth-file={}", at("tokens.csv")),
                    "--authorization-mode=RBAC".to_owned(),
                    "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                    "--allow-privileged".to_owned(),
                ];
                [local(2, "certs"), own.into(), self.programs.flags.clone()].concat()
            }
            "kube-controller-manager" => {
                let own = [
                    format!("--service-account-private-key-file={}", at("sa.key")),
                    format!("--root-ca-file={}", at("ca.crt")),
                    "--use-service-account-credentials".to_owned(),
                    "--controllers=*,-nodeipam,-node-route-controller,-service-lb-controller,-cloud-node-lifecycle-controller".to_owned(),
                ];
                [client(), local(3, "controller-manager-certs"), own.into()].concat()
            }
            _ => [client(), local(4, "scheduler-certs")].concat(),
        }
    }
}

impl Programs {
    /// Adds a flag to kube-apiserver's command line.
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Starts them and waits until the API server is ready. A port that someone else took in between is tried once more.
    pub fn start(&self) -> anyhow::Result<RealCluster> {
        self.start_once().or_else(|first| self.start_once().with_context(|| format!("second attempt, after: {first:#}")))
    }

    fn start_once(&self) -> anyhow::Result<RealCluster> {
        let dir = tempfile::Builder::new().prefix("comity-real-").tempdir()?;
        let ports = ports::free(5)?;
        let token = uuid::Uuid::new_v4().simple().to_string();
        make_token_key(dir.path())?;
        fs::write(dir.path().join("tokens.csv"), format!("{token},admin,,system:masters\n"))?;
        let url = format!("https://127.0.0.1:{}", ports[2]);
        // It trusts nobody until the server's certificate is known.
        let client = Client::new(&url, "", &token)?;
        let (programs, children, ca) = (self.clone(), Vec::new(), String::new());
        let mut cluster = RealCluster { children, programs, ports, dir, url, token, ca, client };
        cluster.start_again()?;
        Ok(cluster)
    }
}

/// The key that service account tokens are signed with.
fn make_token_key(folder: &Path) -> anyhow::Result<()> {
    let keys = rcgen::KeyPair::generate().context("make the service account key")?;
    fs::write(folder.join("sa.key"), keys.serialize_pem())?;
    fs::write(folder.join("sa.pub"), keys.public_key_pem())?;
    Ok(())
}

/// Asks `/readyz` until it says ok: the server has no event for it.
fn wait_ready(children: &mut [(&'static str, Bound)], url: &str, token: &str, certificate: &Path) -> anyhow::Result<(String, Client)> {
    let begin = Instant::now();
    let mut connected: Option<(String, Client)> = None;
    let mut last = "no certificate yet".to_owned();
    loop {
        for (name, child) in children.iter_mut() {
            if let Some(status) = child.ended() {
                bail!("{name} ended with {status}:\n{}", child.last_lines(20));
            }
        }
        if begin.elapsed() > START_DEADLINE {
            bail!(
                "not ready after {} s ({last}):\n{}",
                START_DEADLINE.as_secs(),
                children.first().map(|(_, child)| child.last_lines(20)).unwrap_or_default()
            );
        }
        if connected.is_none()
            && let Ok(ca) = fs::read_to_string(certificate)
            && ca.trim_end().ends_with("-----END CERTIFICATE-----")
        {
            let client = Client::new(url, &ca, token)?;
            connected = Some((ca, client));
        }
        if let Some((_, client)) = &connected {
            match client.send("GET", "/readyz", &[], None) {
                Ok(answer) if answer.status == 200 => break,
                Ok(answer) => last = answer.text(),
                Err(error) => last = format!("{error:#}"),
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    connected.context("no certificate")
}

fn kubeconfig(url: &str, ca: &Path, token: &str) -> String {
    let ca = ca.display();
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: real\n  cluster: {{server: \"{url}\", certificate-authority: \"{ca}\"}}\n\
         users:\n- name: admin\n  user: {{token: \"{token}\"}}\n\
         contexts:\n- name: real\n  context: {{cluster: real, user: admin}}\ncurrent-context: real\n"
    )
}

impl Drop for RealCluster {
    fn drop(&mut self) {
        for child in self.children.drain(..) {
            drop(child);
        }
    }
}
