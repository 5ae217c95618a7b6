//! How a store is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::facts::{Extractor, Facts};
use crate::history::HistoryLimits;
use crate::sealing::EncryptionKeys;
use crate::space::{Space, SpaceProbe};

/// Called once, with the cause, when the disk failed. The process should end: its memory is ahead of its disk.
pub type FatalHook = Arc<dyn Fn(&str) + Send + Sync>;

/// Where a store keeps its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendKind {
    /// In memory only.
    Mem,
    /// In a directory of its own, which is created when it does not exist.
    Fjall(PathBuf),
}

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Where objects are kept.
    pub backend: BackendKind,
    /// Whether a write is acknowledged only after it reached the disk. Without it a power failure loses the last seconds.
    pub sync: bool,
    /// Derives what selectors and indexes need.
    pub extractor: Extractor,
    /// How much history watchers and lists at a revision can use.
    pub history: HistoryLimits,
    /// Resources whose objects are many and seldom read: they are kept compressed a moment after they were written.
    pub seldom_read: Vec<Arc<str>>,
    /// The bytes of log, and of objects, that are kept in memory before they are written to files of their own.
    pub memtable: u64,
    /// How often the high-water file is written, the free space is looked at and the log is compacted while there are
    /// writes.
    pub upkeep: Duration,
    /// Tells the space of the disk.
    pub space: SpaceProbe,
    /// The size of a file that is given up when the disk is nearly full, so that deletes and compaction have room; 0 for
    /// none.
    pub ballast: u64,
    /// Seals values on the disk. A store that was not sealed, or was with another of the keys, is written anew.
    pub encryption: Option<EncryptionKeys>,
    /// Open although acknowledged writes are missing. The revision then jumps far ahead, so that no client mistakes
    /// a new state for one it has seen, and the epoch grows.
    pub accept_data_loss: bool,
    /// Called when the disk failed.
    pub on_fatal: Option<FatalHook>,
}

impl Options {
    /// A store in memory.
    pub fn mem() -> Options {
        Options {
            backend: BackendKind::Mem,
            sync: false,
            extractor: Arc::new(|_, object| Facts::of_metadata(object)),
            history: HistoryLimits::default(),
            seldom_read: Vec::new(),
            memtable: 8 << 20,
            upkeep: Duration::from_secs(1),
            space: Arc::new(Space::of),
            ballast: 0,
            encryption: None,
            accept_data_loss: false,
            on_fatal: None,
        }
    }

    /// A durable store in a directory.
    pub fn fjall(directory: impl Into<PathBuf>) -> Options {
        Options { backend: BackendKind::Fjall(directory.into()), sync: true, ..Options::mem() }
    }
}
