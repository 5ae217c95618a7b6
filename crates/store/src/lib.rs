//! Revisioned object store: durable group commit, watch history, snapshots.
//!
//! One [`Store`] holds everything one API server knows. Every accepted write gets the next revision of one counter;
//! writes that arrive together are made durable together, and nothing can be read, watched or is acknowledged before
//! it is durable. Reads are answered from memory; the disk is read only when a store is opened.
//!
//! - [`Store::put`] and [`Store::delete`] compare and set on one object;
//! - [`Store::list`] and [`Store::page`] give consistent listings, now or at an earlier revision;
//! - [`Store::watch`] gives a [`Cursor`] into the shared history of one resource: no queue and no copy per watcher.

mod backend;
mod body;
mod compact;
mod convert;
mod cursor;
mod entry;
mod error;
mod facts;
mod highwater;
mod history;
mod identity;
mod intern;
mod key;
mod listing;
mod load;
mod lock;
mod maintenance;
mod options;
mod owners;
mod pack;
mod packed;
mod ring;
mod row;
mod sealing;
mod sequencer;
mod space;
mod state;
mod store;

pub use body::{Body, Parts};
pub use cursor::Cursor;
pub use entry::{Entry, Event, EventKind};
pub use error::{ListError, OpenError, TooOld, WatchError, WriteError};
pub use facts::{Extractor, Facts, Fields};
pub use history::HistoryLimits;
pub use identity::{Identity, identify};
pub use key::Key;
pub use listing::{Listing, Page};
pub use options::{BackendKind, FatalHook, Options};
pub use sealing::EncryptionKeys;
pub use space::{Space, SpaceProbe};
pub use store::{Expect, Health, Store};
