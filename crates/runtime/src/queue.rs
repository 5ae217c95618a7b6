//! The work queue of a controller: every key at most once, urgent ones first, timers and growing pauses per key.

mod state;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::key::Key;
use state::State;

/// How urgent a key is. A queued key that is added with a higher one moves up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A routine look: start-up, timers.
    Resync,
    /// The world moved away from what was wanted.
    Drift,
    /// Somebody changed what is wanted.
    User,
}

/// The queue. Clones share it.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new(State::default()), changed: Notify::new() }) }
    }

    /// Wants a round for a key. A key in work gets another round after the present one.
    pub fn add(&self, key: Key, priority: Priority) {
        if self.shared.state.lock().add(key, priority) {
            self.shared.changed.notify_one();
        }
    }

    /// Wants a round for a key after some time; of several times the earliest counts.
    pub fn add_after(&self, key: Key, delay: Duration) {
        if delay.is_zero() {
            return self.add(key, Priority::Resync);
        }
        if self.shared.state.lock().add_at(key, Instant::now() + delay) {
            // who waits must wait for less long
            self.shared.changed.notify_one();
        }
    }

    /// For this time the key is given out only to [`Priority::User`]; whatever else wants it meanwhile is one round
    /// afterwards. For keys whose rounds are dear and to which much happens.
    pub fn rest(&self, key: Key, time: Duration) {
        self.shared.state.lock().rest(key, Instant::now() + time);
        self.shared.changed.notify_one();
    }

    /// Wants another round after a pause that doubles with each failure of this key, from 5 ms to 30 s.
    pub fn retry(&self, key: Key) {
        let pause = self.shared.state.lock().next_pause(&key);
        self.add_after(key, pause);
    }

    /// The key's next failure is its first again.
    pub fn forget(&self, key: &Key) {
        self.shared.state.lock().forget(key);
    }

    /// The next key to work on; `None` once the token is cancelled. Give it back with [`Queue::done`].
    pub async fn next(&self, stop: &CancellationToken) -> Option<Key> {
        loop {
            if stop.is_cancelled() {
                return None;
            }
            let changed = self.shared.changed.notified();
            let timer = {
                let mut state = self.shared.state.lock();
                state.move_due(Instant::now());
                if let Some(key) = state.take() {
                    if state.has_ready() {
                        self.shared.changed.notify_one();
                    }
                    return Some(key);
                }
                state.next_time()
            };
            tokio::select! {
                () = stop.cancelled() => return None,
                () = changed => {}
                () = until(timer) => {}
            }
        }
    }

    /// A round has ended; changes that came meanwhile make the key wait for another one.
    pub fn done(&self, key: &Key) {
        if self.shared.state.lock().done(key) {
            self.shared.changed.notify_one();
        }
    }

    /// Keys that wait for a worker now.
    pub fn len(&self) -> usize {
        self.shared.state.lock().len()
    }

    /// Whether no key waits for a worker.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

async fn until(timer: Option<Instant>) {
    match timer {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
