//! Stopping what runs.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    kit::{informers::Informers, resources::PODS},
    logs::PodLogs,
};

/// How long rounds in work may take to finish.
const DRAIN: Duration = Duration::from_secs(5);

/// Running controllers. Dropping it breaks them off; [`Handle::stop`] lets them finish.
pub struct Handle {
    /// Keeps the watches alive.
    informers: Arc<Informers>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Handle {
    pub(crate) fn new(informers: Arc<Informers>, stop: CancellationToken, tasks: JoinSet<()>) -> Self {
        Self { informers, stop, tasks }
    }

    /// Waits until every cache shows the cluster once: from then on everything is reacted to.
    pub async fn synced(&self) {
        self.informers.synced().await;
    }

    /// The logs of the member's simulated pods.
    pub fn pod_logs(&self) -> PodLogs {
        PodLogs::new(self.informers.cache(&PODS))
    }

    /// Ends all controllers; rounds in work are finished, but not for longer than five seconds.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let drained = timeout(DRAIN, async { while self.tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("controllers did not finish in time and were broken off");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
