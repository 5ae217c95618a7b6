//! The background thread of a durable store: high-water file, free space, history and its compression, compaction.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::backend::fjall::Disk;
use crate::compact::{self, Failure};
use crate::highwater;
use crate::history::HistoryLimits;
use crate::options::{FatalHook, Options};
use crate::space::Reserve;
use crate::state::State;

const COMPACT_EVERY: Duration = Duration::from_secs(300);

/// Wakes the maintenance thread: at once to stop, and after an idle time when a write arrives.
#[derive(Default)]
pub(crate) struct Alarm {
    stop: AtomicBool,
    idle: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Alarm {
    /// A write was made durable.
    pub fn written(&self) {
        if self.idle.swap(false, Ordering::AcqRel) {
            self.wake();
        }
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
    pub fn start(
        alarm: Arc<Alarm>,
        reserve: Arc<Reserve>,
        state: Arc<State>,
        disk: Disk,
        options: &Options,
    ) -> std::io::Result<Maintenance> {
        let (limits, sync, every) = (options.history, options.sync, options.upkeep);
        let worker = Worker { alarm: alarm.clone(), reserve, state, disk, limits, sync, every, on_fatal: options.on_fatal.clone() };
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
    reserve: Arc<Reserve>,
    state: Arc<State>,
    disk: Disk,
    limits: HistoryLimits,
    sync: bool,
    every: Duration,
    on_fatal: Option<FatalHook>,
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
            if self.reserve.short().is_none() {
                self.reserve.load();
            }
            self.state.history.lock().trim(Instant::now());
            self.state.pack_history();
            self.compact_if_due(&mut compacted);
            self.sleep(moved, marked);
        }
    }

    /// Not long while there are writes; otherwise until something is to be forgotten or a write arrives.
    fn sleep(&self, moved: bool, marked: u64) {
        let short = self.reserve.was_short();
        self.alarm.idle.store(!moved, Ordering::Release);
        // A write that came before the flag was set woke nobody.
        if moved || short || self.state.revision() != marked {
            std::thread::park_timeout(self.every);
        } else if self.state.history.lock().events() > 0 {
            std::thread::park_timeout(Duration::from_secs(30));
        } else {
            std::thread::park();
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
            Err(Failure::Read(error)) => tracing::error!(%error, "the store cannot be compacted"),
            Err(Failure::Write(cause)) => self.state.fail_for_good(&cause, self.on_fatal.as_ref()),
        }
    }
}
