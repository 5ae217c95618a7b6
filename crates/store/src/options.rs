//! How a store is opened.

use std::path::PathBuf;
use std::sync::Arc;

use crate::facts::{Extractor, Facts};
use crate::history::HistoryLimits;

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
            accept_data_loss: false,
            on_fatal: None,
        }
    }

    /// A durable store in a directory.
    pub fn fjall(directory: impl Into<PathBuf>) -> Options {
        Options { backend: BackendKind::Fjall(directory.into()), sync: true, ..Options::mem() }
    }
}
