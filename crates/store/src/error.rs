//! What can go wrong.

use std::path::PathBuf;
use std::sync::Arc;

use crate::entry::Entry;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the directory.
    #[error("{path} is in use by {holder}; stop it or use another directory", path = path.display())]
    InUse {
        /// The store's directory.
        path: PathBuf,
        /// Who holds the lock.
        holder: String,
    },
    /// A file or directory operation failed.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// How it failed.
        source: std::io::Error,
    },
    /// The storage engine refused its files.
    #[error("the database in {path} cannot be opened: {reason}; restore a copy if this stays", path = path.display())]
    Engine {
        /// The store's directory.
        path: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The directory was written by a newer release.
    #[error("{path} has store format {found}, this release reads up to {known}; use a newer release", path = path.display())]
    NewerFormat {
        /// The store's directory.
        path: PathBuf,
        /// The format on disk.
        found: u64,
        /// The newest format this release knows.
        known: u64,
    },
    /// The values are encrypted and no key was given.
    #[error("{path} is encrypted with key {key}; give the file that holds it with --encryption-key-file", path = path.display())]
    Encrypted {
        /// The store's directory.
        path: PathBuf,
        /// The id of the key.
        key: String,
    },
    /// The values are encrypted with a key that was not given.
    #[error(
        "{path} is encrypted with key {key}, and the key file holds {given}; add the key to the file, behind the one to encrypt with",
        path = path.display()
    )]
    OtherKey {
        /// The store's directory.
        path: PathBuf,
        /// The id of the key.
        key: String,
        /// The ids of the given keys.
        given: String,
    },
    /// A row cannot be read.
    #[error("{path}: row {row} is damaged: {reason}; restore a copy", path = path.display())]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// Which row.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The log misses a revision.
    #[error(
        "{path}: revision {missing} is missing in the log (next is {next}); restore a copy, or start once with --accept-data-loss",
        path = path.display()
    )]
    Gap {
        /// The store's directory.
        path: PathBuf,
        /// The first missing revision.
        missing: u64,
        /// The revision found in its place.
        next: u64,
    },
    /// Acknowledged writes are gone.
    #[error(
        "{path} ends at revision {found} although revision {acknowledged} was acknowledged: the disk lost data; \
         restore a copy, or start once with --accept-data-loss",
        path = path.display()
    )]
    LostTail {
        /// The store's directory.
        path: PathBuf,
        /// The last revision on disk.
        found: u64,
        /// The last revision known to be acknowledged.
        acknowledged: u64,
    },
}

impl OpenError {
    pub(crate) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> OpenError {
        move |source| OpenError::Io { doing, path: path.to_owned(), source }
    }
}

/// Why a write was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The object is not in the expected state.
    #[error("the object is not in the expected state")]
    Conflict {
        /// The state it is in; nothing when there is no such object.
        current: Option<Arc<Entry>>,
    },
    /// The key or the object cannot be stored.
    #[error("the object cannot be stored: {0}")]
    Invalid(String),
    /// The disk is nearly full; only deletes are accepted.
    #[error("the disk of the store is nearly full ({} MiB left): only deletes are accepted until space is freed", free >> 20)]
    Full {
        /// Bytes left.
        free: u64,
    },
    /// The store failed and accepts no writes until it is opened again.
    #[error("the store failed and needs a restart: {0}")]
    Failed(Arc<str>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a listing at a revision cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The revision is older than the history.
    #[error("the revision is too old; the oldest known one is {oldest}")]
    Compacted {
        /// The oldest revision that can be listed.
        oldest: u64,
    },
    /// The revision does not exist yet.
    #[error("the revision is in the future; the current one is {current}")]
    Future {
        /// The current revision.
        current: u64,
    },
}

/// The history does not reach back to the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the revision is too old; the oldest one to watch from is {oldest}")]
pub struct TooOld {
    /// The oldest revision that can be watched from.
    pub oldest: u64,
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The watcher was slower than the history is long.
    #[error("events after the watched revision were dropped; the oldest one to watch from is {oldest}")]
    Overrun {
        /// The oldest revision that can be watched from.
        oldest: u64,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
