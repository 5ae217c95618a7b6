//! The logs of a member's simulated pods, as its API server asks for them.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use bytes::Bytes;
use comity_apiserver::{LogOptions, PodStreams};
use comity_core::{Reason, Status, Value, time};
use comity_kubelite::{LogRequest, PodLogs};
use futures::{Stream, StreamExt};

/// Set once the member's controllers run; they need the API server first.
#[derive(Clone, Default)]
pub(crate) struct LatePodLogs(Arc<OnceLock<PodLogs>>);

impl LatePodLogs {
    pub(crate) fn set(&self, logs: PodLogs) {
        // Set once per server; a second value would be the same.
        let _ = self.0.set(logs);
    }
}

#[async_trait]
impl PodStreams for LatePodLogs {
    async fn logs(&self, pod: &Value, container: &str, options: &LogOptions) -> Result<Pin<Box<dyn Stream<Item = Bytes> + Send>>, Status> {
        let logs = self.0.get().ok_or_else(|| Status::new(Reason::ServiceUnavailable, "the nodes are starting; try again"))?;
        let seconds_ago = options.since_seconds.map(|s| jiff::Timestamp::now() - jiff::SignedDuration::from_secs(s));
        let request = LogRequest {
            follow: options.follow,
            previous: options.previous,
            timestamps: options.timestamps,
            tail_lines: options.tail_lines,
            since: options.since_time.as_deref().and_then(time::parse).or(seconds_ago),
            limit_bytes: options.limit_bytes,
        };
        let lines = logs.stream(pod, container, &request)?;
        Ok(Box::pin(lines.map(Bytes::from)))
    }
}
