//! When a watch of a cluster shows what is waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use comity_core::{GroupVersionResource, Value, object};
use comity_lane::{Cache, CacheEvent, ClusterClient, Interest};
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(120);

/// Says whether a state of an object is the one; it sees every state in order.
type Wanted = Box<dyn FnMut(&Value) -> bool + Send>;
type Waiting = Arc<Mutex<HashMap<String, (Wanted, oneshot::Sender<Instant>)>>>;

/// One watch of one kind in one namespace of one cluster.
pub struct Sightings {
    what: String,
    waiting: Waiting,
    _cache: Cache,
}

/// A state that will be seen.
pub struct Sighting {
    what: String,
    seen: oneshot::Receiver<Instant>,
}

impl Sightings {
    /// Watches, from a moment on that has passed when this returns.
    pub async fn start(cluster: &str, client: ClusterClient, gvr: GroupVersionResource, namespace: &str) -> anyhow::Result<Self> {
        let what = format!("{} of {cluster}", gvr.resource);
        let waiting = Waiting::default();
        let shared = waiting.clone();
        let on_event = move |event: &CacheEvent| {
            let CacheEvent::Applied { new, .. } = event else { return };
            let now = Instant::now();
            let mut waiting = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let name = object::name(new);
            if waiting.get_mut(name).is_some_and(|(wanted, _)| wanted(new))
                && let Some((_, seen)) = waiting.remove(name)
            {
                // Nobody waits any more when the measurement has failed elsewhere.
                let _ = seen.send(now);
            }
        };
        let interest = Interest { namespace: Some(namespace.to_owned()), ..Interest::all(gvr) };
        let cache = Cache::start(client, interest, Arc::new(on_event));
        let synced = tokio::time::timeout(PATIENCE, cache.synced()).await;
        synced.with_context(|| format!("{what}: not listed after {PATIENCE:?}: {:?}", cache.last_error()))?;
        Ok(Self { what, waiting, _cache: cache })
    }

    /// Begins to wait for a state of an object.
    pub fn expect(&self, name: &str, wanted: impl FnMut(&Value) -> bool + Send + 'static) -> Sighting {
        let (sender, seen) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (Box::new(wanted), sender));
        Sighting { what: format!("{name} in the {}", self.what), seen }
    }
}

impl Sighting {
    /// When the watch showed it.
    pub async fn seen(self) -> anyhow::Result<Instant> {
        let what = self.what;
        let seen = tokio::time::timeout(PATIENCE, self.seen).await.with_context(|| format!("{what}: not as wanted after {PATIENCE:?}"))?;
        seen.with_context(|| format!("{what}: the watch ended"))
    }
}
