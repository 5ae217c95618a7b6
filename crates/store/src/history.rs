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
