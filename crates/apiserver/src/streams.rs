//! What the server asks of the place where pods run.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use comity_core::{Status, Value};
use futures::Stream;

/// Options of a log request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Keep sending new lines.
    pub follow: bool,
    /// The log of the container's previous run.
    pub previous: bool,
    /// Begin each line with its time.
    pub timestamps: bool,
    /// Only so many lines from the end.
    pub tail_lines: Option<i64>,
    /// Only lines of the last seconds.
    pub since_seconds: Option<i64>,
    /// Only lines after this RFC 3339 time.
    pub since_time: Option<String>,
    /// At most so many bytes.
    pub limit_bytes: Option<i64>,
}

/// Access to running pods: the part a kubelet plays.
#[async_trait]
pub trait PodStreams: Send + Sync {
    /// The log of one container.
    ///
    /// # Errors
    /// The status that the client gets, for example when the container has not started.
    async fn logs(&self, pod: &Value, container: &str, options: &LogOptions) -> Result<Pin<Box<dyn Stream<Item = Bytes> + Send>>, Status>;
}
