//! The remembered events of one resource, oldest first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::entry::{Entry, Event};
use crate::error::TooOld;
use crate::key::Place;

pub(crate) struct Ring {
    events: VecDeque<Arc<Event>>,
    /// Every event after this revision is here.
    floor: u64,
}

impl Ring {
    pub fn new(floor: u64) -> Ring {
        Ring { events: VecDeque::new(), floor }
    }

    pub fn floor(&self) -> u64 {
        self.floor
    }

    pub fn push(&mut self, event: Arc<Event>) {
        self.events.push_back(event);
    }

    /// Forgets the oldest event.
    pub fn pop(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.floor = event.rev;
        }
    }

    /// Up to `limit` events after a revision.
    pub fn after(&self, rev: u64, limit: usize) -> Result<Vec<Arc<Event>>, TooOld> {
        if rev < self.floor {
            return Err(TooOld { oldest: self.floor });
        }
        let start = self.events.partition_point(|event| event.rev <= rev);
        Ok(self.events.range(start..).take(limit).cloned().collect())
    }

    /// Up to `limit` events after one revision and up to another, of those that are remembered.
    pub fn between(&self, after: u64, to: u64, limit: usize) -> Vec<Arc<Event>> {
        let start = self.events.partition_point(|event| event.rev <= after);
        self.events.range(start..).take(limit).take_while(|event| event.rev <= to).cloned().collect()
    }

    fn place(&self, rev: u64) -> Option<usize> {
        self.events.binary_search_by_key(&rev, |event| event.rev).ok()
    }

    /// The event of a revision.
    pub fn at(&self, rev: u64) -> Option<&Arc<Event>> {
        self.events.get(self.place(rev)?)
    }

    /// Replaces what an event holds by another form of the same; its new weight.
    pub fn replace(&mut self, rev: u64, previous: Option<Arc<Entry>>, entry: Option<Arc<Entry>>) -> Option<usize> {
        let place = self.place(rev)?;
        let event = self.events.get_mut(place)?;
        let previous = previous.or_else(|| event.previous.clone());
        let entry = entry.unwrap_or_else(|| event.entry.clone());
        *event = Arc::new(Event { kind: event.kind, entry, previous, rev });
        Some(event.weight())
    }

    /// The last revision of this resource after `rev`, if there is one.
    pub fn has_after(&self, rev: u64) -> bool {
        self.events.back().is_some_and(|event| event.rev > rev)
    }

    /// What has to be put back in place to turn the present into the state at a revision: the state of each changed
    /// object then, or nothing where it did not exist.
    pub fn undo(&self, rev: u64) -> Result<BTreeMap<Place, Option<Arc<Entry>>>, TooOld> {
        if rev < self.floor {
            return Err(TooOld { oldest: self.floor });
        }
        let later = self.events.iter().rev().take_while(|event| event.rev > rev);
        Ok(later.map(|event| (event.entry.key.place(), event.previous.clone())).collect())
    }
}
