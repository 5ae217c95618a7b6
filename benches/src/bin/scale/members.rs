//! Many member clusters in this process: API servers with their objects in memory, and no controllers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use comity_store::{Event, EventKind};
use comity_testkit::Cluster;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The members of a run.
pub(crate) struct Members {
    clusters: Vec<Cluster>,
    /// Their own, so that the clients do not wait behind their work.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Members {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// So many threads start members.
const STARTERS: usize = 2;

/// Counts objects of one resource of all members that come to satisfy a condition, each once per member.
pub(crate) struct Count {
    seen: Arc<AtomicUsize>,
    news: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
}

impl Members {
    /// Starts so many.
    pub(crate) async fn start(count: usize) -> anyhow::Result<Self> {
        let names: Vec<String> = (1..=count).map(name).collect();
        let runtime = tokio::runtime::Runtime::new().context("starting the members' threads")?;
        let starting: Vec<_> = names
            .chunks(count.div_ceil(STARTERS))
            .map(|part| {
                let (members, part) = (runtime.handle().clone(), part.to_vec());
                tokio::task::spawn_blocking(move || members.block_on(Cluster::start_alike(part)))
            })
            .collect();
        let mut clusters = Vec::new();
        for started in starting {
            clusters.extend(started.await.context("embedded clusters always start")?);
        }
        Ok(Self { clusters, runtime: Some(runtime) })
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Cluster] {
        &self.clusters
    }

    /// Begins to count in the members that are chosen. The condition sees the event and the text of the object.
    pub(crate) fn count(
        &self,
        resource: &str,
        chosen: impl Fn(usize) -> bool,
        holds: impl Fn(&str) -> bool + Clone + Send + 'static,
    ) -> anyhow::Result<Count> {
        let (seen, news) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let mut tasks = Vec::new();
        for (_, cluster) in self.clusters.iter().enumerate().filter(|(index, _)| chosen(*index)) {
            let store = cluster.store().context("members of a benchmark are embedded")?;
            let mut cursor = store.watch(resource, store.revision()).ok().context("the present can be watched")?;
            let (seen, news, holds) = (seen.clone(), news.clone(), holds.clone());
            tasks.push(tokio::spawn(async move {
                let mut names = HashSet::new();
                while let Ok(events) = cursor.next_batch().await {
                    let fresh = events.iter().filter(|event| matches(event, &holds) && names.insert(event.entry.key.clone())).count();
                    if fresh > 0 {
                        seen.fetch_add(fresh, Ordering::Relaxed);
                        news.notify_one();
                    }
                }
            }));
        }
        Ok(Count { seen, news, tasks })
    }
}

fn matches(event: &Event, holds: &impl Fn(&str) -> bool) -> bool {
    event.kind == EventKind::Put
        && &*event.entry.key.namespace == crate::NAMESPACE
        && std::str::from_utf8(&event.entry.body.bytes(event.entry.rev)).is_ok_and(holds)
}

impl Count {
    /// Waits until so many were seen, and says when.
    pub(crate) async fn reach(&self, wanted: usize, patience: Duration) -> anyhow::Result<Instant> {
        let deadline = tokio::time::Instant::now() + patience;
        while self.now() < wanted {
            let waited = tokio::time::timeout_at(deadline, self.news.notified()).await;
            ensure!(waited.is_ok(), "{} of {wanted} seen after {patience:?}", self.now());
        }
        Ok(Instant::now())
    }

    /// How many were seen.
    pub(crate) fn now(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The name of a member, counted from 1.
pub(crate) fn name(number: usize) -> String {
    format!("cluster{number}")
}
