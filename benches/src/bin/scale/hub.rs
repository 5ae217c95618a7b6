//! The hub: the built program as a process of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use comity_benches::process::{processor_time_of, resident_of, sockets_of, written_by};
use comity_benches::share::share;
use comity_core::{GroupVersionResource, Value, condition, json, object};
use comity_lane::{Cache, ClusterClient, Interest};
use comity_testkit::Cluster;
use comity_testkit_core::binary::{Home, Running};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::Notify;

const MANAGER: &str = "bench";
const SYSTEM: &str = "kube-federation-system";
const PATIENCE: Duration = Duration::from_secs(600);

/// A hub's program, its folder, and its process while it runs.
pub(crate) struct Hub {
    home: Home,
    folder: PathBuf,
    running: Option<Running>,
}

impl Hub {
    /// Starts one in a folder.
    pub(crate) fn start(comity: &Path, folder: &Path) -> anyhow::Result<Self> {
        let mut hub = Self { home: Home::new(comity)?, folder: folder.to_owned(), running: None };
        hub.start_again()?;
        Ok(hub)
    }

    /// Starts it on the same folder.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.display().to_string();
        self.running = Some(self.home.start(&["up", "--data-dir", &folder]).context("starting the hub")?);
        Ok(())
    }

    /// Ends it without warning.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().context("the hub runs")?.kill().map(drop)
    }

    /// Ends it politely.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.running.take().context("the hub runs")?.stop()?;
        ensure!(status.success(), "the hub ended with {status}");
        Ok(())
    }

    /// Where its store lies.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("hub/store")
    }

    fn id(&self) -> u32 {
        self.running.as_ref().map_or(0, Running::id)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        resident_of(self.id()).unwrap_or(0)
    }

    /// Bytes that it has sent to its disk.
    pub(crate) fn written(&self) -> u64 {
        written_by(self.id()).unwrap_or(0)
    }

    /// Processor time that it has taken.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time_of(self.id()).unwrap_or_default()
    }

    /// Sockets that it has open.
    pub(crate) fn sockets(&self) -> usize {
        sockets_of(self.id()).unwrap_or(0)
    }

    /// A client.
    pub(crate) async fn client(&self) -> anyhow::Result<ClusterClient> {
        let kubeconfig = Kubeconfig::read_from(self.folder.join("kubeconfig")).context("reading the hub's kubeconfig")?;
        let options = KubeConfigOptions { context: Some("host-context".to_owned()), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.context("reading the hub's context")?;
        Ok(ClusterClient::new(kube::Client::try_from(config).context("connecting to the hub")?))
    }
}

/// Makes Secret and KubeFedCluster of every member and waits until all are ready. Labels: `few` on the first three.
pub(crate) async fn join(hub: &ClusterClient, members: &[Cluster]) -> anyhow::Result<()> {
    let ways = members.iter().map(|member| (member.url(), member.ca().to_owned()));
    join_at(hub, members, ways).await
}

/// The same by other ways: URL and authority of each.
pub(crate) async fn join_at(hub: &ClusterClient, members: &[Cluster], ways: impl Iterator<Item = (String, String)>) -> anyhow::Result<()> {
    let clusters = GroupVersionResource::new("core.kubefed.io", "v1beta1", "kubefedclusters");
    let objects: Arc<Vec<(Value, Value)>> =
        Arc::new(members.iter().zip(ways).map(|(member, (url, ca))| artefacts(member, &url, &ca)).collect());
    let (client, resource, count) = (hub.clone(), clusters.clone(), objects.len());
    share(count, 16, move |number| {
        let (hub, clusters, objects) = (client.clone(), resource.clone(), objects.clone());
        async move {
            let (secret, cluster) = objects.get(number).context("within the count")?;
            hub.create(&GroupVersionResource::new("", "v1", "secrets"), SYSTEM, secret, MANAGER).await?;
            hub.create(&clusters, SYSTEM, cluster, MANAGER).await?;
            Ok(Duration::ZERO)
        }
    })
    .await?;
    let news = Arc::new(Notify::new());
    let tell = news.clone();
    let interest = Interest { namespace: Some(SYSTEM.to_owned()), ..Interest::all(clusters) };
    let cache = Cache::start(hub.clone(), interest, Arc::new(move |_| tell.notify_one()));
    let all = async {
        while cache.list().iter().filter(|cluster| condition::is_true(cluster, "Ready")).count() < count {
            news.notified().await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.with_context(|| {
        let ready = cache.list().iter().filter(|cluster| condition::is_true(cluster, "Ready")).count();
        format!("{ready} of {count} members are ready after {PATIENCE:?}")
    })
}

fn artefacts(member: &Cluster, url: &str, ca: &str) -> (Value, Value) {
    let name = member.name();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"token": BASE64_STANDARD.encode(member.token())}});
    let mut cluster = json!({
        "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster", "metadata": {"name": name, "labels": {"name": name}},
        "spec": {"apiEndpoint": url, "caBundle": BASE64_STANDARD.encode(ca), "secretRef": {"name": name}},
    });
    let number: usize = name.trim_start_matches("cluster").parse().unwrap_or(0);
    // three members to a group: an object that selects one group is in three members
    object::set(&mut cluster, &["metadata", "labels", "group"], (number.saturating_sub(1) / 3).to_string().into());
    (secret, cluster)
}
