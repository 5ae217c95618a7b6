//! What the cluster serves, kept true as custom resources come and go.

use std::{sync::Arc, time::Duration};

use comity_runtime::lane::{CacheEvent, ClusterClient, Discovery};
use tokio::{sync::Notify, sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{informers::Informers, resources::CUSTOM_RESOURCES};

/// Definitions that change together are looked at together.
const GATHER: Duration = Duration::from_millis(50);
/// Pause after a failed look.
const PAUSE: Duration = Duration::from_secs(1);

/// The discovery of a cluster.
#[derive(Clone)]
pub(crate) struct Catalog {
    found: watch::Sender<Option<Arc<Discovery>>>,
    changed: Arc<Notify>,
}

impl Catalog {
    /// A catalog that follows the definitions of custom resources once [`Catalog::keep`] runs.
    pub(crate) fn new(informers: &Informers) -> Self {
        let changed = Arc::new(Notify::new());
        let tell = changed.clone();
        informers.on_metadata(&CUSTOM_RESOURCES, move |event| {
            if !matches!(event, CacheEvent::Synced) {
                tell.notify_one();
            }
        });
        Self { found: watch::Sender::new(None), changed }
    }

    /// The latest discovery; waits for the first.
    pub(crate) async fn get(&self) -> Option<Arc<Discovery>> {
        self.found.subscribe().wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Tells every new discovery.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<Discovery>>> {
        self.found.subscribe()
    }

    /// Looks anew whenever a definition changes, until stopped.
    pub(crate) async fn keep(self, client: ClusterClient, stop: CancellationToken) {
        loop {
            match client.discover().await {
                Ok(found) => {
                    self.found.send_replace(Some(Arc::new(found)));
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.changed.notified() => sleep(GATHER).await,
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "discovery failed and is tried again");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = sleep(PAUSE) => {}
                    }
                }
            }
        }
    }
}
