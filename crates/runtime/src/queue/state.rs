//! The bookkeeping of a queue, without waiting.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque, hash_map::Entry},
    time::Duration,
};

use tokio::time::Instant;

use super::Priority;
use crate::key::Key;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One turn in so many goes to the least urgent keys, so that a flood of urgent ones does not starve them.
const FAIR_TURN: u64 = 16;

#[derive(Default)]
pub(super) struct State {
    /// Least urgent first. A key that moved up leaves a stale entry behind, which `take` skips.
    ready: [VecDeque<Key>; 3],
    waiting: HashMap<Key, Priority>,
    /// Keys in work, and whether they are wanted again.
    working: HashMap<Key, Option<Priority>>,
    timers: BinaryHeap<Reverse<(Instant, Key)>>,
    /// The time that counts for a key; other entries of the heap are stale.
    due: HashMap<Key, Instant>,
    /// Keys that rest, and whether they are wanted afterwards.
    resting: HashMap<Key, Option<Priority>>,
    rests: BinaryHeap<Reverse<(Instant, Key)>>,
    failures: HashMap<Key, u32>,
    turns: u64,
}

impl State {
    /// Whether a worker can take something new.
    pub(super) fn add(&mut self, key: Key, priority: Priority) -> bool {
        if let Some(again) = self.working.get_mut(&key) {
            *again = (*again).max(Some(priority));
            return false;
        }
        if let Some(wanted) = self.resting.get_mut(&key).filter(|_| priority < Priority::User) {
            *wanted = (*wanted).max(Some(priority));
            return false;
        }
        match self.waiting.get_mut(&key) {
            Some(present) if *present >= priority => return false,
            Some(present) => *present = priority,
            None => {
                self.waiting.insert(key.clone(), priority);
            }
        }
        self.ready[priority as usize].push_back(key);
        true
    }

    /// Whether the earliest time has changed.
    pub(super) fn add_at(&mut self, key: Key, at: Instant) -> bool {
        if self.due.get(&key).is_some_and(|present| *present <= at) {
            return false;
        }
        let earliest = self.next_due().is_none_or(|next| at < next);
        self.due.insert(key.clone(), at);
        self.timers.push(Reverse((at, key)));
        earliest
    }

    /// Until then the key is given out only for what is urgent. A key that rests already rests for as long as it did.
    pub(super) fn rest(&mut self, key: Key, until: Instant) {
        if let Entry::Vacant(place) = self.resting.entry(key) {
            self.rests.push(Reverse((until, place.key().clone())));
            place.insert(None);
        }
    }

    /// Makes keys ready whose time has come.
    pub(super) fn move_due(&mut self, now: Instant) {
        while self.rests.peek().is_some_and(|Reverse((until, _))| *until <= now) {
            let Some(Reverse((_, key))) = self.rests.pop() else { break };
            if let Some(Some(priority)) = self.resting.remove(&key) {
                self.add(key, priority);
            }
        }
        while self.next_due().is_some_and(|at| at <= now) {
            if let Some(Reverse((_, key))) = self.timers.pop() {
                self.due.remove(&key);
                self.add(key, Priority::Resync);
            }
        }
    }

    /// When something is to be done by the clock.
    pub(super) fn next_time(&mut self) -> Option<Instant> {
        let rest = self.rests.peek().map(|Reverse((until, _))| *until);
        self.next_due().into_iter().chain(rest).min()
    }

    /// The earliest timer; stale entries before it are dropped.
    fn next_due(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, key))) = self.timers.peek() {
            if self.due.get(key) == Some(at) {
                return Some(*at);
            }
            self.timers.pop();
        }
        None
    }

    pub(super) fn take(&mut self) -> Option<Key> {
        self.turns += 1;
        let order = if self.turns.is_multiple_of(FAIR_TURN) { [0, 1, 2] } else { [2, 1, 0] };
        for class in order {
            while let Some(key) = self.ready[class].pop_front() {
                if self.waiting.get(&key).is_some_and(|priority| *priority as usize == class) {
                    self.waiting.remove(&key);
                    self.working.insert(key.clone(), None);
                    return Some(key);
                }
            }
        }
        None
    }

    /// Whether the key is ready again.
    pub(super) fn done(&mut self, key: &Key) -> bool {
        match self.working.remove(key) {
            Some(Some(priority)) => self.add(key.clone(), priority),
            _ => false,
        }
    }

    pub(super) fn next_pause(&mut self, key: &Key) -> Duration {
        let failures = self.failures.entry(key.clone()).or_default();
        let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(20)).min(LONGEST_PAUSE);
        *failures = failures.saturating_add(1);
        pause
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.failures.remove(key);
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
