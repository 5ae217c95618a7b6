//! How much may wait: jobs hold whole objects, and what is wanted of a fleet at once may be far more than fits into memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use comity_core::Value;

use crate::job::Job;

/// How many writes may wait in the lanes of one fleet. Clones share the count.
///
/// A copy whose job finds no room is remembered by its name alone, and its listener is told when there is room again.
#[derive(Clone, Debug)]
pub struct Backlog {
    waiting: Arc<AtomicUsize>,
    /// In one lane, of one urgency.
    lane: usize,
    /// In all lanes; each may have a few beyond that.
    all: usize,
}

/// Jobs of each urgency that a lane may always have.
const LEAST: usize = 32;

impl Default for Backlog {
    fn default() -> Self {
        Self::new(512, 32 << 10)
    }
}

impl Backlog {
    /// So many of each urgency in one lane, and so many in all.
    pub fn new(lane: usize, all: usize) -> Self {
        Self { waiting: Arc::default(), lane: lane.max(1), all }
    }

    /// Whether a lane that has so many jobs of an urgency may take another one.
    pub(super) fn has_room(&self, waiting: usize) -> bool {
        waiting < self.lane && (waiting < LEAST || self.waiting.load(Ordering::Relaxed) < self.all)
    }

    /// How many of those that found no room a lane may tell to come back.
    pub(super) fn free(&self, waiting: usize) -> usize {
        // in batches: who comes back may find that others were faster
        if waiting * 2 <= self.lane && self.has_room(waiting) { self.lane - waiting } else { 0 }
    }

    pub(super) fn grow(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn shrink(&self, by: usize) {
        self.waiting.fetch_sub(by, Ordering::Relaxed);
    }
}

/// A job while it waits: what is to be applied is kept as text, a tenth of the memory of the value.
pub(super) struct Folded {
    job: Job,
    text: Option<Box<[u8]>>,
}

impl Folded {
    /// Folds a job, if it will wait for longer than a moment.
    pub fn of(mut job: Job, waits: bool) -> Self {
        let mut text = None;
        if let (Job::Apply(apply), true) = (&mut job, waits)
            // what other jobs share takes no memory of its own
            && Arc::strong_count(&apply.object) == 1
            && let Ok(whole) = serde_json::to_vec(&(&*apply.object, apply.namespace.as_deref()))
        {
            (apply.object, apply.namespace) = (Arc::default(), None);
            text = Some(whole.into_boxed_slice());
        }
        Self { job, text }
    }

    /// Whether it counts: the other jobs are small, and there is no more of them than there are copies.
    pub fn is_large(&self) -> bool {
        is_large(&self.job)
    }

    /// The job as it was.
    pub fn unfold(mut self) -> Job {
        if let (Job::Apply(apply), Some(text)) = (&mut self.job, &self.text) {
            // what was written by the same library can be read by it
            let (object, namespace): (Value, Option<Value>) = serde_json::from_slice(text).unwrap_or_default();
            (apply.object, apply.namespace) = (Arc::new(object), namespace.map(Arc::new));
        }
        self.job
    }
}

pub(super) fn is_large(job: &Job) -> bool {
    matches!(job, Job::Apply(_))
}
