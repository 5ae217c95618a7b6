//! The clusters: started, joined, and stopped in every case.

use std::path::Path;

use anyhow::{Context, bail};
use comity_lane::ClusterClient;
use comity_testkit_core::binary::{Home, Running};
use kube::config::{KubeConfigOptions, Kubeconfig};

/// How many members join.
pub(crate) const MEMBERS: usize = 3;

/// The running processes. Dropping them, or the end of this process, kills them.
pub(crate) struct Fleet {
    running: Vec<Running>,
    kubeconfig: Kubeconfig,
    // The folders of the processes' logs, removed last.
    _homes: Vec<Home>,
}

/// The name of a member, counted from 1.
pub(crate) fn name(number: usize) -> String {
    format!("cluster{number}")
}

impl Fleet {
    /// Starts a hub and the members in a folder, and joins them.
    pub(crate) fn start(comity: &Path, folder: &Path) -> anyhow::Result<Self> {
        let mut fleet = Self { running: Vec::new(), kubeconfig: Kubeconfig::default(), _homes: Vec::new() };
        fleet.launch(comity, folder, "hub", &["up"])?;
        for number in 1..=MEMBERS {
            let name = name(number);
            fleet.launch(comity, folder, &name, &["member", "--name", &name])?;
        }
        let merged = folder.join("kubeconfig");
        let text = serde_json::to_string(&fleet.kubeconfig).context("writing the merged kubeconfig")?;
        std::fs::write(&merged, text).with_context(|| format!("writing {}", merged.display()))?;
        for number in 1..=MEMBERS {
            fleet.join(&name(number), &merged.display().to_string())?;
        }
        Ok(fleet)
    }

    fn launch(&mut self, comity: &Path, folder: &Path, what: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let home = Home::new(comity)?;
        let data = folder.join(what);
        let text = data.display().to_string();
        let running = home.start(&[arguments, &["--data-dir", &text]].concat()).with_context(|| format!("starting {what}"))?;
        let path = data.join("kubeconfig");
        let own = Kubeconfig::read_from(&path).with_context(|| format!("reading the kubeconfig of {what}"))?;
        self.kubeconfig = std::mem::take(&mut self.kubeconfig).merge(own).with_context(|| format!("merging the kubeconfig of {what}"))?;
        self.running.push(running);
        self._homes.push(home);
        Ok(())
    }

    fn join(&self, name: &str, kubeconfig: &str) -> anyhow::Result<()> {
        let context = format!("{name}-context");
        let arguments = ["kubefedctl", "join", name, "--kubeconfig", kubeconfig, "--cluster-context", &context];
        let home = self._homes.first().context("the hub is not running")?;
        let ran = home.run(&[&arguments[..], &["--host-cluster-context", "host-context"]].concat())?;
        if ran.code != 0 {
            bail!("joining {name} ended with {}:\n{}{}", ran.code, ran.stdout, ran.stderr);
        }
        Ok(())
    }

    /// A client of a cluster: `host` or the name of a member.
    pub(crate) async fn client(&self, cluster: &str) -> anyhow::Result<ClusterClient> {
        let options = KubeConfigOptions { context: Some(format!("{cluster}-context")), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(self.kubeconfig.clone(), &options).await;
        let config = config.with_context(|| format!("reading the context of {cluster}"))?;
        Ok(ClusterClient::new(kube::Client::try_from(config).with_context(|| format!("connecting to {cluster}"))?))
    }

    /// The hub's process.
    pub(crate) fn hub(&self) -> u32 {
        self.running.first().map_or(0, Running::id)
    }

    /// The first member's process.
    pub(crate) fn member(&self) -> u32 {
        self.running.get(1).map_or(0, Running::id)
    }

    /// Asks all of them to end, and waits.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        for running in self.running {
            let status = running.stop()?;
            anyhow::ensure!(status.success(), "a cluster ended with {status}");
        }
        Ok(())
    }
}
