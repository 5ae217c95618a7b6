//! How long events are remembered: one order over all resources, so that the oldest goes first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::entry::Event;
use crate::state::Cell;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Events older than this are dropped.
    pub window: Duration,
    /// Events younger than this are dropped only above the cap.
    pub least: Duration,
    /// The bytes above which events older than `least` are dropped.
    pub budget: usize,
    /// The bytes above which any event is dropped.
    pub cap: usize,
}

impl Default for HistoryLimits {
    fn default() -> HistoryLimits {
        HistoryLimits { window: Duration::from_secs(300), least: Duration::from_secs(75), budget: 64 << 20, cap: 256 << 20 }
    }
}

/// The order in which events are forgotten.
pub(crate) struct History {
    limits: HistoryLimits,
    stamps: VecDeque<Stamp>,
    bytes: usize,
    /// Every event up to this revision is forgotten.
    floor: u64,
    /// Whether the cap has already cut the window short.
    warned: bool,
}

struct Stamp {
    cell: Arc<Cell>,
    rev: u64,
    at: Instant,
    weight: usize,
}

impl History {
    pub fn new(limits: HistoryLimits, floor: u64) -> History {
        History { limits, stamps: VecDeque::new(), bytes: 0, floor, warned: false }
    }

    /// Notes an event that was put in its resource's ring.
    pub fn note(&mut self, cell: Arc<Cell>, event: &Event, at: Instant) {
        let weight = event.weight();
        self.bytes += weight;
        self.stamps.push_back(Stamp { cell, rev: event.rev, at, weight });
    }

    /// Forgets what the limits do not allow to keep.
    pub fn trim(&mut self, now: Instant) {
        while let Some(oldest) = self.stamps.front() {
            let age = now.saturating_duration_since(oldest.at);
            let over = self.bytes > self.limits.budget && age > self.limits.least;
            let capped = self.bytes > self.limits.cap;
            if !(age > self.limits.window || over || capped) {
                break;
            }
            if capped && age < self.limits.least && !self.warned {
                self.warned = true;
                tracing::warn!(
                    cap = self.limits.cap,
                    seconds = age.as_secs(),
                    "watch history is cut short of its least window because it passed its memory cap"
                );
            }
            if let Some(stamp) = self.stamps.pop_front() {
                self.bytes -= stamp.weight;
                self.floor = stamp.rev;
                stamp.cell.table.write().ring.pop();
            }
        }
    }

    /// Notes what an event holds from now on.
    pub fn reweigh(&mut self, rev: u64, weight: usize) {
        if let Ok(place) = self.stamps.binary_search_by_key(&rev, |stamp| stamp.rev)
            && let Some(stamp) = self.stamps.get_mut(place)
        {
            self.bytes = self.bytes + weight - stamp.weight;
            stamp.weight = weight;
        }
    }

    pub fn floor(&self) -> u64 {
        self.floor
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn events(&self) -> usize {
        self.stamps.len()
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;
    use crate::body::Body;
    use crate::entry::{Entry, EventKind};
    use crate::facts::Facts;
    use crate::key::Key;
    use crate::state::State;

    const LIMITS: HistoryLimits =
        HistoryLimits { window: Duration::from_secs(300), least: Duration::from_secs(75), budget: 3000, cap: 6000 };

    /// A history of events that hold 1,000 bytes each, one a second.
    fn filled(events: u64) -> (History, State, Instant) {
        let state = State::new(1, 1, HistoryLimits::default());
        let mut history = History::new(LIMITS, 1);
        let start = Instant::now();
        let object = json!({"metadata": {"name": "x"}, "text": "x".repeat(1000 - 256 - 64)});
        let body = Body::of(&object).unwrap();
        let pad = 1000 - 256 - body.size();
        let object = json!({"metadata": {"name": "x"}, "text": "x".repeat(1000 - 256 - 64 + pad)});
        let entry = |rev| {
            let (body, facts) = (Body::of(&object).unwrap(), Arc::new(Facts::of_metadata(&object)));
            Arc::new(Entry { key: Key::new("pods", "", "x"), rev, create_rev: 1, body, facts })
        };
        for rev in 2..2 + events {
            let event = Arc::new(Event { kind: EventKind::Put, entry: entry(rev), previous: Some(entry(rev - 1)), rev });
            assert_eq!(event.weight(), 1000);
            let cell = state.cell(&event.entry.key.resource);
            cell.table.write().ring.push(event.clone());
            history.note(cell, &event, start + Duration::from_secs(rev));
        }
        (history, state, start)
    }

    #[test]
    fn old_events_go_and_young_ones_stay_within_the_budget() {
        let (mut history, state, start) = filled(3);
        history.trim(start + Duration::from_secs(302));
        assert_eq!((history.events(), history.floor()), (3, 1));
        history.trim(start + Duration::from_secs(303));
        assert_eq!((history.events(), history.floor(), history.bytes()), (2, 2, 2000));
        let cell = state.cell(&"pods".into());
        assert_eq!(cell.table.read().ring.floor(), 2);
        assert!(cell.table.read().ring.after(1, 9).is_err());
        assert_eq!(cell.table.read().ring.after(2, 9).unwrap().len(), 2);
    }

    #[test]
    fn above_the_budget_only_what_is_older_than_the_least_window_goes() {
        let (mut history, _state, start) = filled(5);
        history.trim(start + Duration::from_secs(77));
        assert_eq!(history.events(), 5, "nothing is older than 75 seconds yet");
        history.trim(start + Duration::from_secs(78));
        assert_eq!((history.events(), history.floor()), (4, 2));
    }

    #[test]
    fn above_the_cap_anything_goes() {
        let (mut history, _state, start) = filled(9);
        history.trim(start + Duration::from_secs(11));
        assert_eq!((history.events(), history.bytes()), (6, 6000));
    }
}
