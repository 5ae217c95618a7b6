//! A watcher's place in the history of one resource.

use std::sync::Arc;

use tokio::sync::watch;

use crate::entry::Event;
use crate::error::WatchError;
use crate::state::{Cell, State};

/// The most events one batch holds.
const BATCH: usize = 512;

/// A watcher of one resource. It holds a revision, not events; many cursors share one history.
pub struct Cursor {
    cell: Arc<Cell>,
    state: Arc<State>,
    changed: watch::Receiver<u64>,
    closed: watch::Receiver<bool>,
    /// Everything up to here was handed out.
    at: u64,
}

impl Cursor {
    pub(crate) fn new(state: Arc<State>, cell: Arc<Cell>, at: u64) -> Cursor {
        Cursor { changed: cell.changed.subscribe(), closed: state.closed(), cell, state, at }
    }

    /// Waits for events and returns them, in revision order, each once. Safe to cancel.
    pub async fn next_batch(&mut self) -> Result<Vec<Arc<Event>>, WatchError> {
        loop {
            self.changed.mark_unchanged();
            let events = self.take()?;
            if !events.is_empty() {
                return Ok(events);
            }
            if *self.closed.borrow() {
                return Err(WatchError::Closed);
            }
            tokio::select! {
                changed = self.changed.changed() => changed.map_err(|_| WatchError::Closed)?,
                closed = self.closed.changed() => closed.map_err(|_| WatchError::Closed)?,
            }
        }
    }

    /// The events that are there already; empty when there are none.
    pub fn take(&mut self) -> Result<Vec<Arc<Event>>, WatchError> {
        let events = self.cell.table.read().ring.after(self.at, BATCH);
        let events = events.map_err(|error| WatchError::Overrun { oldest: error.oldest })?;
        if let Some(last) = events.last() {
            self.at = last.rev;
        }
        Ok(events)
    }

    /// The revision up to which this watcher has seen everything: what a bookmark may say.
    pub fn progress(&mut self) -> u64 {
        let table = self.cell.table.read();
        // The revision does not move past this resource's events while its table is held.
        if !table.ring.has_after(self.at) {
            self.at = self.at.max(self.state.revision());
        }
        self.at
    }
}
