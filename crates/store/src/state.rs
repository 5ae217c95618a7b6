//! Everything in memory: the objects and history of each resource, and the revision.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::entry::{Entry, Event, EventKind};
use crate::history::{History, HistoryLimits};
use crate::key::{Key, Place};
use crate::options::FatalHook;
use crate::owners::Owners;
use crate::ring::Ring;

/// One resource.
pub(crate) struct Cell {
    pub name: Arc<str>,
    pub table: RwLock<Table>,
    /// Its present states are compressed too.
    pub seldom_read: bool,
    /// An object that looks like the others: earlier states are compressed against it.
    pub dictionary: Mutex<Option<Arc<[u8]>>>,
    /// The resource's last revision; wakes its watchers.
    pub changed: watch::Sender<u64>,
}

/// The objects and the remembered events of one resource.
pub(crate) struct Table {
    pub entries: BTreeMap<Place, Arc<Entry>>,
    pub ring: Ring,
}

pub(crate) struct State {
    cells: RwLock<HashMap<Arc<str>, Arc<Cell>>>,
    owners: RwLock<Owners>,
    /// Written while the tables of the same group are locked, so that a reader of a table sees both or neither.
    revision: AtomicU64,
    advanced: watch::Sender<u64>,
    pub history: Mutex<History>,
    /// The revision up to which earlier states are compressed.
    pub packed: Mutex<u64>,
    seldom_read: Vec<Arc<str>>,
    /// Where the history of every resource begins.
    start: u64,
    failed: OnceLock<Arc<str>>,
    closed: watch::Sender<bool>,
}

impl State {
    pub fn new(revision: u64, floor: u64, limits: HistoryLimits) -> State {
        State {
            cells: RwLock::default(),
            owners: RwLock::default(),
            revision: AtomicU64::new(revision),
            advanced: watch::Sender::new(revision),
            history: Mutex::new(History::new(limits, floor)),
            packed: Mutex::new(floor),
            seldom_read: Vec::new(),
            start: floor,
            failed: OnceLock::new(),
            closed: watch::Sender::new(false),
        }
    }

    /// Keeps these resources' present states compressed, too.
    pub fn with_seldom_read(self, resources: &[Arc<str>]) -> State {
        State { seldom_read: resources.to_vec(), ..self }
    }

    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The revision at which all history begins.
    pub fn start(&self) -> u64 {
        self.start
    }

    pub fn advanced(&self) -> watch::Receiver<u64> {
        self.advanced.subscribe()
    }

    pub fn known_cell(&self, resource: &str) -> Option<Arc<Cell>> {
        self.cells.read().get(resource).cloned()
    }

    pub fn cells(&self) -> Vec<Arc<Cell>> {
        self.cells.read().values().cloned().collect()
    }

    /// The resource's cell, made when it is not there.
    pub fn cell(&self, resource: &Arc<str>) -> Arc<Cell> {
        if let Some(cell) = self.known_cell(resource) {
            return cell;
        }
        let mut cells = self.cells.write();
        let make = || {
            let table = Table { entries: BTreeMap::new(), ring: Ring::new(self.start) };
            Arc::new(Cell {
                name: resource.clone(),
                table: RwLock::new(table),
                seldom_read: self.seldom_read.contains(resource),
                dictionary: Mutex::default(),
                changed: watch::Sender::new(self.start),
            })
        };
        cells.entry(resource.clone()).or_insert_with(make).clone()
    }

    pub fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        let cell = self.known_cell(&key.resource)?;
        let table = cell.table.read();
        table.entries.get(&key.place()).cloned()
    }

    pub fn dependents(&self, owner: &str) -> Vec<Arc<Entry>> {
        let keys = self.owners.read().of(owner);
        let mut entries: Vec<Arc<Entry>> = keys.iter().filter_map(|key| self.get(key)).collect();
        entries.retain(|entry| entry.facts.owners.iter().any(|uid| uid.as_ref() == owner));
        entries.sort_by(|a, b| a.create_rev.cmp(&b.create_rev).then(a.rev.cmp(&b.rev)));
        entries
    }

    /// Makes a group of durable events readable, in revision order and all at once for each resource.
    pub fn publish(&self, events: &[Arc<Event>]) {
        let Some(last) = events.last() else { return };
        let mut cells: Vec<Arc<Cell>> = events.iter().map(|event| self.cell(&event.entry.key.resource)).collect();
        cells.sort_by(|a, b| a.name.cmp(&b.name));
        cells.dedup_by(|a, b| a.name == b.name);
        let at = |event: &Event| cells.binary_search_by(|cell| cell.name.cmp(&event.entry.key.resource));
        let mut tables: Vec<_> = cells.iter().map(|cell| cell.table.write()).collect();
        {
            let mut owners = self.owners.write();
            for event in events {
                if let Some(table) = at(event).ok().and_then(|index| tables.get_mut(index)) {
                    table.apply(event);
                }
                owners.apply(event);
            }
        }
        self.revision.store(last.rev, Ordering::Release);
        drop(tables);
        for cell in &cells {
            cell.changed.send_replace(last.rev);
        }
        self.advanced.send_replace(last.rev);
        let now = std::time::Instant::now();
        let mut history = self.history.lock();
        for event in events {
            if let Some(cell) = at(event).ok().and_then(|index| cells.get(index)) {
                history.note(cell.clone(), event, now);
            }
        }
        history.trim(now);
    }

    /// Puts a stored object in place while a store is opened.
    pub fn restore(&self, entry: Arc<Entry>) {
        let event = Event { kind: EventKind::Put, rev: entry.rev, previous: None, entry };
        self.owners.write().apply(&event);
        self.cell(&event.entry.key.resource).table.write().entries.insert(event.entry.key.place(), event.entry.clone());
    }

    /// Remembers why no write can be made any more, and tells the hook of the first cause.
    pub fn fail_for_good(&self, cause: &str, hook: Option<&FatalHook>) {
        tracing::error!(cause, "the store cannot write any more");
        let first = self.failed.set(cause.into()).is_ok();
        if let (true, Some(hook)) = (first, hook) {
            hook(cause);
        }
    }

    pub fn failure(&self) -> Option<Arc<str>> {
        self.failed.get().cloned()
    }

    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    pub fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }
}

impl Table {
    fn apply(&mut self, event: &Arc<Event>) {
        match event.kind {
            EventKind::Put => self.entries.insert(event.entry.key.place(), event.entry.clone()),
            EventKind::Delete => self.entries.remove(&event.entry.key.place()),
        };
        self.ring.push(event.clone());
    }
}
