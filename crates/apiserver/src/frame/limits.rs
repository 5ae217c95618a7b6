//! How many requests are served at one time.

use std::sync::Arc;

use comity_core::{Reason, Status};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts of requests being served, reading and mutating ones apart.
#[derive(Debug)]
pub struct InFlight {
    reading: Arc<Semaphore>,
    mutating: Arc<Semaphore>,
}

impl InFlight {
    /// With the greatest numbers allowed.
    pub fn new(reading: usize, mutating: usize) -> Self {
        Self { reading: Arc::new(Semaphore::new(reading)), mutating: Arc::new(Semaphore::new(mutating)) }
    }

    /// A place for a request; it is given back when the permit is dropped.
    ///
    /// # Errors
    /// 429 when all places are taken.
    pub fn enter(&self, reads: bool) -> Result<OwnedSemaphorePermit, Status> {
        let places = if reads { &self.reading } else { &self.mutating };
        places
            .clone()
            .try_acquire_owned()
            .map_err(|_| Status::new(Reason::TooManyRequests, "Too many requests, please try again later.").retry_after(1))
    }
}
