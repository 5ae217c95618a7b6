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
#[derive(Debug)]
pub struct RealCluster {
    // In the order in which they must end: clients before the API server, the API server before etcd.
    children: Vec<Bound>,
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
        self.dir.path().join("kubeconfig")
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
        let at = |name: &str| dir.path().join(name);
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let ports = ports::free(5)?;
        let token = uuid::Uuid::new_v4().simple().to_string();
        let keys = rcgen::KeyPair::generate().context("make the service account key")?;
        fs::write(at("sa.key"), keys.serialize_pem())?;
        fs::write(at("sa.pub"), keys.public_key_pem())?;
        fs::write(at("tokens.csv"), format!("{token},admin,,system:masters\n"))?;

        let etcd_url = format!("http://127.0.0.1:{}", ports[0]);
        let etcd = Bound::start(
            &self.folder.join("etcd"),
            &[
                "--data-dir".to_owned(),
                text(at("etcd")),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls=http://127.0.0.1:{}", ports[1]),
                "--log-level=error".to_owned(),
                "--unsafe-no-fsync".to_owned(),
            ],
            &at("etcd.log"),
        )?;
        let mut flags = vec![
            format!("--etcd-servers={etcd_url}"),
            format!("--secure-port={}", ports[2]),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--cert-dir={}", text(at("certs"))),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", text(at("sa.pub"))),
            format!("--service-account-signing-key-file={}", text(at("sa.key"))),
            format!("--token-auth-file={}", text(at("tokens.csv"))),
            "--authorization-mode=RBAC".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--allow-privileged".to_owned(),
        ];
        flags.extend(self.flags.iter().cloned());
        let apiserver = Bound::start(&self.folder.join("kube-apiserver"), &flags, &at("kube-apiserver.log"))?;
        let mut children = vec![apiserver, etcd];

        let url = format!("https://127.0.0.1:{}", ports[2]);
        let (ca, client) = wait_ready(&mut children, &url, &token, &at("certs").join("apiserver.crt"))?;
        fs::write(at("ca.crt"), &ca)?;
        fs::write(at("kubeconfig"), kubeconfig(&url, &at("ca.crt"), &token))?;

        let kubeconfig = format!("--kubeconfig={}", text(at("kubeconfig")));
        if self.parts >= Parts::Controllers {
            let flags = [
                kubeconfig.clone(),
                format!("--secure-port={}", ports[3]),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--cert-dir={}", text(at("controller-manager-certs"))),
                format!("--service-account-private-key-file={}", text(at("sa.key"))),
                format!("--root-ca-file={}", text(at("ca.crt"))),
                "--use-service-account-credentials".to_owned(),
                "--leader-elect=false".to_owned(),
                "--controllers=*,-nodeipam,-node-route-controller,-service-lb-controller,-cloud-node-lifecycle-controller".to_owned(),
            ];
            let log = at("kube-controller-manager.log");
            children.insert(0, Bound::start(&self.folder.join("kube-controller-manager"), &flags, &log)?);
        }
        if self.parts >= Parts::Scheduler {
            let flags = [
                kubeconfig,
                format!("--secure-port={}", ports[4]),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--cert-dir={}", text(at("scheduler-certs"))),
                "--leader-elect=false".to_owned(),
            ];
            children.insert(0, Bound::start(&self.folder.join("kube-scheduler"), &flags, &at("kube-scheduler.log"))?);
        }
        Ok(RealCluster { children, dir, url, token, ca, client })
    }
}

/// Asks `/readyz` until it says ok: the server has no event for it.
fn wait_ready(children: &mut [Bound], url: &str, token: &str, certificate: &Path) -> anyhow::Result<(String, Client)> {
    let begin = Instant::now();
    let mut connected: Option<(String, Client)> = None;
    let mut last = "no certificate yet".to_owned();
    loop {
        for child in children.iter_mut() {
            if let Some(status) = child.ended() {
                bail!("a program of the control plane ended with {status}:\n{}", child.last_lines(20));
            }
        }
        if begin.elapsed() > START_DEADLINE {
            bail!("not ready after {} s ({last}):\n{}", START_DEADLINE.as_secs(), children[0].last_lines(20));
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
