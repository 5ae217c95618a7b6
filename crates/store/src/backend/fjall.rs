//! The durable backend: a log of all writes, the objects at the compacted revision, and a few facts about the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::config::{BlockSizePolicy, FilterPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use super::{Backend, torn};
use crate::entry::Event;
use crate::error::OpenError;
use crate::options::Options;
use crate::row;
use crate::sealing::{EncryptionKeys, Sealer};

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
    /// Seals values on their way to the disk.
    pub sealer: Option<Arc<Sealer>>,
    sync: bool,
    /// The bytes after which a keyspace's memory is written to its files.
    memtable: u64,
    log_bytes: Arc<AtomicU64>,
    log_memory: Arc<AtomicU64>,
    objects_memory: Arc<AtomicU64>,
}

impl Disk {
    /// Opens or creates the database that lies in `data`, for the store in `directory`. The caller holds the directory's
    /// lock.
    pub fn open(directory: &Path, data: &Path, options: &Options) -> Result<Disk, OpenError> {
        let sealer = options.encryption.as_ref().map(Sealer::new).transpose();
        let sealer = sealer.map_err(|reason| OpenError::Engine { path: directory.to_owned(), reason })?.map(Arc::new);
        let engine = |error: fjall::Error| OpenError::Engine { path: directory.to_owned(), reason: reason(&error) };
        let db = open_database(directory, data).map_err(engine)?;
        // The engine asks for a rotation at each commit of a full memtable, until its one worker cannot hand the flush
        // to its own full queue any more and stops for good. So rotation is asked for here, once.
        let keyspace = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(u64::MAX)
                .filter_policy(FilterPolicy::disabled())
                .data_block_size_policy(BlockSizePolicy::all(16 << 10))
        };
        let log = db.keyspace("log", keyspace).map_err(engine)?;
        let objects = db.keyspace("objects", keyspace).map_err(engine)?;
        let meta = db.keyspace("meta", keyspace).map_err(engine)?;
        Ok(Disk {
            db,
            log,
            objects,
            meta,
            directory: directory.to_owned(),
            sealer,
            sync: options.sync,
            memtable: options.memtable,
            log_bytes: Arc::default(),
            log_memory: Arc::default(),
            objects_memory: Arc::default(),
        })
    }

    /// The keys that values are sealed with.
    pub fn keys(&self) -> Option<&EncryptionKeys> {
        self.sealer.as_ref().map(|sealer| sealer.keys())
    }

    /// A batch that is on disk when its commit returns.
    pub fn batch(&self) -> OwnedWriteBatch {
        let mode = if self.sync { PersistMode::SyncData } else { PersistMode::Buffer };
        self.db.batch().durability(Some(mode))
    }

    /// About how many bytes of log were written since the last compaction.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// Counts bytes written to the log.
    pub fn grow_log(&self, bytes: u64) -> fjall::Result<()> {
        self.log_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.rotate_if_full(&self.log, &self.log_memory, bytes)
    }

    /// Counts bytes written to the objects.
    pub fn grow_objects(&self, bytes: u64) -> fjall::Result<()> {
        self.rotate_if_full(&self.objects, &self.objects_memory, bytes)
    }

    /// Starts a new memtable when the present one is full; the old one is written in the background.
    fn rotate_if_full(&self, keyspace: &Keyspace, memory: &AtomicU64, bytes: u64) -> fjall::Result<()> {
        if memory.fetch_add(bytes, Ordering::Relaxed) + bytes < self.memtable {
            return Ok(());
        }
        memory.store(0, Ordering::Relaxed);
        keyspace.rotate_memtable().map(drop)
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
        let mut batch = self.batch();
        let mut bytes = 0;
        for event in events {
            let value = row::log_value(event, self.sealer.as_deref())?;
            bytes += value.len() as u64;
            batch.insert(&self.log, event.rev.to_be_bytes(), value);
        }
        batch.commit().map_err(|error| reason(&error))?;
        self.grow_log(bytes).map_err(|error| reason(&error))
    }
}

/// Opens the engine; a batch that was being written when the power failed is cut off.
fn open_database(directory: &Path, data: &Path) -> fjall::Result<Database> {
    // Everything is served from memory: caches are small, one thread flushes and compacts.
    let open = || {
        let builder = Database::builder(data).cache_size(1 << 20).worker_threads(1).max_journaling_size(64 << 20);
        builder.journal_compression(CompressionType::Lz4).open()
    };
    // Damaged files must give an error, also where the engine does not expect them.
    let open = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(open)).unwrap_or(Err(fjall::Error::Unrecoverable));
    let first = match open() {
        Err(error @ fjall::Error::JournalRecovery(_)) => error,
        other => return other,
    };
    let Some(cut) = torn::cut_last_batch(data, directory)? else { return Err(first) };
    match open() {
        Ok(db) => {
            let kept = cut.kept().display();
            tracing::warn!(%kept, "the last write before a crash was incomplete and never acknowledged: it was cut off");
            Ok(db)
        }
        Err(_) => {
            cut.undo()?;
            Err(first)
        }
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

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;
    use crate::body::Body;
    use crate::entry::{Entry, EventKind};
    use crate::facts::Facts;
    use crate::key::Key;

    #[test]
    fn memory_is_written_to_files_while_small_commits_go_on() {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(directory.path(), &directory.path().join("data"), &Options { sync: false, ..Options::mem() }).unwrap();
        let object = json!({"metadata": {"name": "x"}, "text": "x".repeat(8000)});
        let (body, facts) = (Body::of(&object).unwrap(), Arc::new(Facts::of_metadata(&object)));
        for rev in 2..3000 {
            let (body, facts) = (body.clone(), facts.clone());
            let entry = Arc::new(Entry { key: Key::new("pods", "", "x"), rev, create_rev: rev, body, facts });
            disk.commit(&[Arc::new(Event { kind: EventKind::Put, entry, previous: None, rev })]).unwrap();
        }
        // Comes back only when the background worker is alive.
        disk.log.rotate_memtable_and_wait().unwrap();
        assert!(disk.log.table_count() > 0);
        assert_eq!(disk.log.sealed_memtable_count(), 0);
    }
}
