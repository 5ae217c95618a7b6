//! How many jobs of a lane run at a time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Jobs at a time in each lane that shares it; it may change while they run.
#[derive(Clone, Debug)]
pub struct Concurrency(Arc<AtomicUsize>);

impl From<usize> for Concurrency {
    fn from(jobs: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(jobs)))
    }
}

impl Concurrency {
    /// From now on so many; those that run go on.
    pub fn set(&self, jobs: usize) {
        self.0.store(jobs, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
