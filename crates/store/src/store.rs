//! The store's front: what callers see.

use std::sync::Arc;

use comity_core::{Value, object};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::backend::fjall::Disk;
use crate::backend::mem::Mem;
use crate::body::Body;
use crate::cursor::Cursor;
use crate::entry::Entry;
use crate::error::{ListError, OpenError, TooOld, WriteError};
use crate::facts::{Extractor, Facts};
use crate::intern::Interner;
use crate::key::Key;
use crate::listing::{self, Listing, Page};
use crate::load::{self, FIRST, Identity};
use crate::lock::Lock;
use crate::maintenance::{Alarm, Maintenance};
use crate::options::{BackendKind, Options};
use crate::sequencer::{self, Committer, Operation, Write};
use crate::space::Reserve;
use crate::state::State;

/// Writes that may wait for the sequencer before callers have to wait.
const QUEUE: usize = 4096;

/// The state an object must be in for a write to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no such object.
    Absent,
    /// The object is at this revision.
    Rev(u64),
    /// Whatever is there.
    Any,
}

/// How a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The current revision.
    pub revision: u64,
    /// Whether acknowledged writes survive a power failure.
    pub durable: bool,
    /// Why no write can be made any more.
    pub failed: Option<Arc<str>>,
    /// The bytes left when the disk is nearly full; only deletes are accepted then.
    pub short_of_space: Option<u64>,
    /// Remembered events over all resources.
    pub history_events: usize,
    /// Memory held by the history alone.
    pub history_bytes: usize,
    /// Log written since the last compaction.
    pub log_bytes: u64,
}

/// One API server's objects. Clones are handles to the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    state: Arc<State>,
    identity: Identity,
    extractor: Extractor,
    interner: Interner,
    writer: Writer,
    durable: bool,
}

enum Writer {
    /// Commits on the caller's task: there is nothing to wait for.
    Inline(Mutex<Committer>),
    Durable(Durable),
}

struct Durable {
    queue: Mutex<Option<mpsc::Sender<Write>>>,
    reserve: Arc<Reserve>,
    disk: Mutex<Option<Disk>>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    sequencer: std::thread::JoinHandle<()>,
    maintenance: Maintenance,
    /// Released after both threads ended.
    _lock: Lock,
}

impl Store {
    /// Opens a store. Blocks while a directory is read.
    pub fn open(options: Options) -> Result<Store, OpenError> {
        let interner = Interner::default();
        let BackendKind::Fjall(directory) = &options.backend else {
            let state = Arc::new(State::new(FIRST, FIRST, options.history).with_seldom_read(&options.seldom_read));
            let committer =
                Committer { state: state.clone(), backend: Box::new(Mem), on_fatal: options.on_fatal, alarm: None, reserve: None };
            let writer = Writer::Inline(Mutex::new(committer));
            let inner = Inner { state, identity: Identity::new(), extractor: options.extractor, interner, writer, durable: false };
            return Ok(Store { inner: Arc::new(inner) });
        };
        std::fs::create_dir_all(directory).map_err(OpenError::io("creating", directory))?;
        let lock = Lock::take(directory)?;
        let loaded = load::load(directory, &options, &interner)?;
        let state = Arc::new(loaded.state);
        let disk = loaded.disk;
        let alarm = Arc::new(Alarm::default());
        let reserve = Arc::new(Reserve::new(directory, options.space.clone(), options.ballast));
        let maintenance = Maintenance::start(alarm.clone(), reserve.clone(), state.clone(), disk.clone(), &options)
            .map_err(OpenError::io("starting a thread for", directory))?;
        let committer = Committer {
            state: state.clone(),
            backend: Box::new(disk.clone()),
            on_fatal: options.on_fatal,
            alarm: Some(alarm),
            reserve: Some(reserve.clone()),
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let sequencer = std::thread::Builder::new()
            .name("store-commit".into())
            .spawn(move || sequencer::run(committer, receiver))
            .map_err(OpenError::io("starting a thread for", directory))?;
        let durable = Durable {
            queue: Mutex::new(Some(sender)),
            reserve,
            disk: Mutex::new(Some(disk)),
            threads: Mutex::new(Some(Threads { sequencer, maintenance, _lock: lock })),
        };
        let inner = Inner {
            state,
            identity: loaded.identity,
            extractor: options.extractor,
            interner,
            writer: Writer::Durable(durable),
            durable: options.sync,
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Creates or replaces an object. An object that is already exactly so keeps its revision. Any resourceVersion
    /// in the object is ignored.
    pub async fn put(&self, key: Key, expect: Expect, object: &Value) -> Result<Arc<Entry>, WriteError> {
        let (key, body, facts) = self.prepare(key, object)?;
        let frees = !object::str_at(object, &["metadata", "deletionTimestamp"]).is_empty();
        self.write(key, expect, Operation::Put { body, facts, frees }).await
    }

    /// Removes an object and returns its last state at the revision of the removal. `last` replaces the last state
    /// that watchers see.
    pub async fn delete(&self, key: Key, expect: Expect, last: Option<&Value>) -> Result<Arc<Entry>, WriteError> {
        let (key, last) = match last {
            Some(object) => {
                let (key, body, facts) = self.prepare(key, object)?;
                (key, Some((body, facts)))
            }
            None => (key, None),
        };
        self.write(key, expect, Operation::Delete(last)).await
    }

    /// Serializes on the caller's task, so that the sequencer only orders.
    fn prepare(&self, mut key: Key, object: &Value) -> Result<(Key, Body, Facts), WriteError> {
        if let Some(problem) = key.problem() {
            return Err(WriteError::Invalid(problem));
        }
        let body = Body::of(object).map_err(WriteError::Invalid)?;
        let mut facts = (self.inner.extractor)(&key, object);
        self.inner.interner.share(&mut key, &mut facts);
        Ok((key, body, facts))
    }

    async fn write(&self, key: Key, expect: Expect, operation: Operation) -> Result<Arc<Entry>, WriteError> {
        let (answer, result) = oneshot::channel();
        let write = Write { key, expect, operation, answer };
        match &self.inner.writer {
            Writer::Inline(committer) => {
                if *self.inner.state.closed().borrow() {
                    return Err(WriteError::Closed);
                }
                committer.lock().commit(vec![write]);
            }
            Writer::Durable(durable) => {
                let queue = durable.queue.lock().clone().ok_or(WriteError::Closed)?;
                queue.send(write).await.map_err(|_| WriteError::Closed)?;
            }
        }
        result.await.unwrap_or(Err(WriteError::Closed))
    }

    /// The current state of an object.
    pub fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.inner.state.get(key)
    }

    /// All objects of a resource, or those in one namespace, at the current revision.
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> Listing {
        let page = Page { namespace, ..Page::default() };
        // Only a listing at a given revision can fail.
        let empty = |_| Listing { rev: self.revision(), entries: Vec::new(), remaining: 0 };
        listing::page(&self.inner.state, resource, None, &page, None).unwrap_or_else(empty)
    }

    /// All objects of a resource, or those in one namespace, as they were at a revision.
    pub fn list_at(&self, rev: u64, resource: &str, namespace: Option<&str>) -> Result<Listing, ListError> {
        listing::page(&self.inner.state, resource, Some(rev), &Page { namespace, ..Page::default() }, None)
    }

    /// Part of a resource, now or as it was at a revision.
    pub fn page(&self, resource: &str, at: Option<u64>, page: &Page<'_>) -> Result<Listing, ListError> {
        listing::page(&self.inner.state, resource, at, page, None)
    }

    /// The objects of a page that match; the limit counts only those. Cheaper than filtering a whole listing. `matches`
    /// runs while writes to the resource wait, so it should look at keys and facts only.
    pub fn select(&self, resource: &str, at: Option<u64>, page: &Page<'_>, matches: impl Fn(&Entry) -> bool) -> Result<Listing, ListError> {
        listing::page(&self.inner.state, resource, at, page, Some(&matches))
    }

    /// The revision of the last write.
    pub fn revision(&self) -> u64 {
        self.inner.state.revision()
    }

    /// Waits until a revision is reached; false when the deadline comes first or the store is closed.
    pub async fn wait_revision(&self, rev: u64, deadline: Instant) -> bool {
        let mut advanced = self.inner.state.advanced();
        let mut closed = self.inner.state.closed();
        let reached = tokio::time::timeout_at(deadline, async {
            tokio::select! {
                biased;
                reached = advanced.wait_for(|now| *now >= rev) => reached.is_ok(),
                _ = closed.wait_for(|closed| *closed) => false,
            }
        });
        reached.await.unwrap_or(false)
    }

    /// Watches a resource from a revision on: every later event is handed out once and in order.
    pub fn watch(&self, resource: &str, from: u64) -> Result<Cursor, TooOld> {
        let cell = self.inner.state.cell(&Arc::from(resource));
        let floor = cell.table.read().ring.floor();
        if from < floor {
            return Err(TooOld { oldest: floor });
        }
        Ok(Cursor::new(self.inner.state.clone(), cell, from))
    }

    /// The objects that name an owner, oldest first.
    pub fn dependents(&self, owner_uid: &str) -> Vec<Arc<Entry>> {
        self.inner.state.dependents(owner_uid)
    }

    /// The resources that have objects, with their number, in name order.
    pub fn resources(&self) -> Vec<(Arc<str>, usize)> {
        let cells = self.inner.state.cells();
        let mut counts: Vec<_> = cells.iter().map(|cell| (cell.name.clone(), cell.table.read().entries.len())).collect();
        counts.retain(|(_, count)| *count > 0);
        counts.sort();
        counts
    }

    /// The store's identity: made once, kept for ever. A store in memory gets a new one each time.
    pub fn hub_id(&self) -> &str {
        &self.inner.identity.hub_id
    }

    /// Grows whenever the store's past was changed: data loss was accepted or a snapshot restored.
    pub fn epoch(&self) -> u64 {
        self.inner.identity.epoch
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        let state = &self.inner.state;
        let history = state.history.lock();
        let log_bytes = match &self.inner.writer {
            Writer::Durable(durable) => durable.disk.lock().as_ref().map_or(0, Disk::log_bytes),
            Writer::Inline(_) => 0,
        };
        Health {
            revision: state.revision(),
            durable: self.inner.durable,
            failed: state.failure(),
            short_of_space: self.short_of_space(),
            history_events: history.events(),
            history_bytes: history.bytes(),
            log_bytes,
        }
    }

    /// Finishes the writes that are on their way, ends all watches and releases the directory. Later writes fail.
    pub async fn close(&self) {
        let inner = self.inner.clone();
        // The threads are joined where blocking is allowed.
        let _ = tokio::task::spawn_blocking(move || inner.shut()).await;
    }

    fn short_of_space(&self) -> Option<u64> {
        match &self.inner.writer {
            Writer::Durable(durable) => durable.reserve.short(),
            Writer::Inline(_) => None,
        }
    }
}

impl Inner {
    fn shut(&self) {
        if let Writer::Durable(durable) = &self.writer {
            drop(durable.queue.lock().take());
            if let Some(mut threads) = durable.threads.lock().take() {
                let _ = threads.sequencer.join();
                threads.maintenance.stop();
                // The last handle to the database goes before the lock does.
                drop(durable.disk.lock().take());
            }
        }
        self.state.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shut();
    }
}
