//! Stored objects and the events that made them.

use std::sync::Arc;

use comity_core::Value;

use crate::body::Body;
use crate::facts::Facts;
use crate::key::Key;

/// An object at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub key: Key,
    /// The revision of this state.
    pub rev: u64,
    /// The revision that created the object.
    pub create_rev: u64,
    /// Its JSON.
    pub body: Body,
    /// What selectors and indexes ask for; states of an object that have the same facts share them.
    pub facts: Arc<Facts>,
}

impl Entry {
    /// The parsed object with its resourceVersion.
    pub fn object(&self) -> Value {
        self.body.parse(self.rev)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The object was created (there is no previous state) or changed.
    Put,
    /// The object was removed.
    Delete,
}

/// One change of one object.
#[derive(Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The state at the event's revision; for a deletion the last state.
    pub entry: Arc<Entry>,
    /// The state before.
    pub previous: Option<Arc<Entry>>,
    /// The event's revision.
    pub rev: u64,
}

impl Event {
    /// The memory that is held only because the event is remembered.
    pub(crate) fn weight(&self) -> usize {
        const OVERHEAD: usize = 256;
        let previous = self.previous.as_ref().map_or(0, |entry| entry.body.held());
        let last = match (self.kind, &self.previous) {
            (EventKind::Delete, Some(previous)) if self.entry.body.shares_with(&previous.body) => 0,
            (EventKind::Delete, _) => self.entry.body.held(),
            (EventKind::Put, _) => 0,
        };
        OVERHEAD + previous + last
    }
}
