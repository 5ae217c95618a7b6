//! What a controller is.

use std::time::Duration;

use async_trait::async_trait;

use crate::key::Key;

/// Brings the world behind one key to where it should be.
#[async_trait]
pub trait Controller: Send + Sync {
    /// The controller's name in logs and metrics.
    fn name(&self) -> &str;

    /// One round for one key. Never called for the same key twice at a time.
    async fn reconcile(&self, key: &Key) -> Outcome;
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing more to do until something changes.
    Done,
    /// Nothing more to do until something changes or the time has passed.
    Again(Duration),
    /// It failed: once more after a pause that grows with each failure.
    Retry(String),
}
