//! The durable backend: a log of all writes, the objects at the compacted revision, and a few facts about the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::config::{BlockSizePolicy, FilterPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::Backend;
use crate::entry::Event;
use crate::error::OpenError;
use crate::row;

/// Handles to the open database; clones share it.
#[derive(Clone)]
pub(crate) struct Disk {
    pub db: Database,
    /// Revision → write. The only thing written when a group is committed.
    pub log: Keyspace,
    /// The state at the compacted revision; written by compaction alone.
    pub objects: Keyspace,
    /// Format, compacted revision, hub id, epoch.
    pub meta: Keyspace,
    /// The store's directory.
    pub directory: PathBuf,
    sync: bool,
    log_bytes: Arc<AtomicU64>,
}

impl Disk {
    /// Opens or creates the database of a store's directory. The caller holds the directory's lock.
    pub fn open(directory: &Path, sync: bool) -> Result<Disk, OpenError> {
        let engine = |error: fjall::Error| OpenError::Engine { path: directory.to_owned(), reason: reason(&error) };
        // Everything is served from memory: caches are small, one thread flushes and compacts.
        let open = || {
            Database::builder(directory.join("data"))
                .cache_size(1 << 20)
                .worker_threads(1)
                .max_journaling_size(64 << 20)
                .journal_compression(CompressionType::Lz4)
                .open()
        };
        // Damaged files must give an error, also where the engine does not expect them.
        let db = std::panic::catch_unwind(std::panic::AssertUnwindSafe(open)).unwrap_or_else(|_| Err(fjall::Error::Unrecoverable));
        let db = db.map_err(engine)?;
        let options = |memtable| {
            KeyspaceCreateOptions::default()
                .max_memtable_size(memtable)
                .filter_policy(FilterPolicy::disabled())
                .data_block_size_policy(BlockSizePolicy::all(16 << 10))
        };
        let log = db.keyspace("log", || options(8 << 20)).map_err(engine)?;
        let objects = db.keyspace("objects", || options(8 << 20)).map_err(engine)?;
        let meta = db.keyspace("meta", || options(1 << 20)).map_err(engine)?;
        Ok(Disk { db, log, objects, meta, directory: directory.to_owned(), sync, log_bytes: Arc::default() })
    }

    /// About how many bytes of log were written since the last compaction.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    pub fn grow_log(&self, bytes: u64) {
        self.log_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn shrink_log(&self, bytes: u64) {
        let shrink = |old: u64| Some(old.saturating_sub(bytes));
        let _ = self.log_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shrink);
    }

    pub fn damaged(&self, row: impl Into<String>, reason: impl Into<String>) -> OpenError {
        OpenError::Damaged { path: self.directory.clone(), row: row.into(), reason: reason.into() }
    }

    pub fn engine(&self, error: fjall::Error) -> OpenError {
        OpenError::Engine { path: self.directory.clone(), reason: reason(&error) }
    }

    /// A number of the `meta` keyspace.
    pub fn meta_number(&self, name: &str) -> Result<Option<u64>, OpenError> {
        let value = self.meta.get(name).map_err(|error| self.engine(error))?;
        value.map(|bytes| row::read_u64(&bytes).map_err(|reason| self.damaged(format!("meta {name}"), reason))).transpose()
    }
}

impl Backend for Disk {
    fn commit(&mut self, events: &[Arc<Event>]) -> Result<(), String> {
        let mode = if self.sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.db.batch().durability(Some(mode));
        let mut bytes = 0;
        for event in events {
            let value = row::log_value(event);
            bytes += value.len() as u64;
            batch.insert(&self.log, event.rev.to_be_bytes(), value);
        }
        batch.commit().map_err(|error| reason(&error))?;
        self.grow_log(bytes);
        Ok(())
    }
}

/// The engine's error in words.
pub(crate) fn reason(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(error) => error.to_string(),
        fjall::Error::Storage(error) => format!("storage: {error}"),
        fjall::Error::JournalRecovery(error) => format!("journal: {error:?}"),
        fjall::Error::Poisoned => "an earlier write to the disk failed".into(),
        fjall::Error::Locked => "another process holds the database".into(),
        fjall::Error::Unrecoverable => "its files are damaged".into(),
        other => format!("{other:?}"),
    }
}
