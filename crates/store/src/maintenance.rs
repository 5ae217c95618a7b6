//! The background thread of a durable store: high-water file, free space, history, compaction.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::backend::fjall::Disk;
use crate::history::HistoryLimits;
use crate::state::State;
use crate::{compact, disk, highwater};

const COMPACT_EVERY: Duration = Duration::from_secs(300);

/// Wakes the maintenance thread: at once to stop, and after an idle time when a write arrives.
#[derive(Default)]
pub(crate) struct Alarm {
    stop: AtomicBool,
    idle: AtomicBool,
    thread: OnceLock<Thread>,
    /// Bytes left on a disk that is nearly full; `u64::MAX` when there is enough.
    short_of_space: AtomicU64,
}

impl Alarm {
    /// A write was made durable.
    pub fn written(&self) {
        if self.idle.swap(false, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// The bytes left when the disk is nearly full.
    pub fn short_of_space(&self) -> Option<u64> {
        let free = self.short_of_space.load(Ordering::Relaxed);
        (free != u64::MAX).then_some(free)
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// The running thread.
pub(crate) struct Maintenance {
    alarm: Arc<Alarm>,
    thread: Option<JoinHandle<()>>,
}

impl Maintenance {
    pub fn start(alarm: Arc<Alarm>, state: Arc<State>, disk: Disk, limits: HistoryLimits, sync: bool) -> std::io::Result<Maintenance> {
        let free = disk::shortage(&disk.directory);
        alarm.short_of_space.store(free.unwrap_or(u64::MAX), Ordering::Relaxed);
        let worker = Worker { alarm: alarm.clone(), state, disk, limits, sync };
        let thread = std::thread::Builder::new().name("store-upkeep".into()).spawn(move || worker.run())?;
        let _ = alarm.thread.set(thread.thread().clone());
        Ok(Maintenance { alarm, thread: Some(thread) })
    }

    /// Ends the thread after its last high-water mark.
    pub fn stop(&mut self) {
        self.alarm.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    alarm: Arc<Alarm>,
    state: Arc<State>,
    disk: Disk,
    limits: HistoryLimits,
    sync: bool,
}

impl Worker {
    fn run(self) {
        let mut marked = 0;
        let mut compacted = Instant::now();
        loop {
            let stopping = self.alarm.stop.load(Ordering::Acquire);
            let revision = self.state.revision();
            let moved = revision != marked;
            if moved
                && self.sync
                && self.state.failure().is_none()
                && let Err(error) = highwater::write(&self.disk.directory, revision)
            {
                tracing::warn!(%error, "the high-water file of the store cannot be written");
            }
            marked = revision;
            if stopping {
                return;
            }
            self.watch_space();
            self.state.history.lock().trim(Instant::now());
            self.compact_if_due(&mut compacted);
            self.sleep(moved, marked);
        }
    }

    /// A second while there are writes; otherwise until something is to be forgotten or a write arrives.
    fn sleep(&self, moved: bool, marked: u64) {
        let short = self.alarm.short_of_space().is_some();
        self.alarm.idle.store(!moved, Ordering::Release);
        // A write that came before the flag was set woke nobody.
        if moved || short || self.state.revision() != marked {
            std::thread::park_timeout(Duration::from_secs(1));
        } else if self.state.history.lock().events() > 0 {
            std::thread::park_timeout(Duration::from_secs(30));
        } else {
            std::thread::park();
        }
    }

    fn watch_space(&self) {
        let free = disk::shortage(&self.disk.directory);
        let before = self.alarm.short_of_space.swap(free.unwrap_or(u64::MAX), Ordering::Relaxed);
        match free {
            Some(free) if before == u64::MAX => tracing::error!(free, "the disk of the store is nearly full: only deletes are accepted"),
            None if before != u64::MAX => tracing::info!("the disk of the store has space again"),
            _ => {}
        }
    }

    fn compact_if_due(&self, last: &mut Instant) {
        let full = self.disk.log_bytes() > self.limits.budget as u64;
        if self.state.failure().is_some() || !(full || last.elapsed() >= COMPACT_EVERY) {
            return;
        }
        *last = Instant::now();
        // Rows that watchers can still ask for after a restart stay, unless the log grows past all bounds.
        let beyond = self.disk.log_bytes() > self.limits.cap as u64;
        let target = if beyond { self.state.revision() } else { self.state.history.lock().floor() };
        match compact::run(&self.disk, target) {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, target, "store compacted"),
            Err(error) => tracing::error!(%error, "the store cannot be compacted"),
        }
    }
}
