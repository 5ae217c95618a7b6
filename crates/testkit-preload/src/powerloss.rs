//! Power loss for tests.
//!
//! `kill -9` proves little about power loss: what a process wrote stays in the page cache. So a process runs under a
//! [`Layer`] that records what it does to the files below one folder. From the [`Recording`], [`Disk`] knows at every
//! moment what was synced and what was not, and writes an image of a disk as a power failure at that moment could
//! have left it: everything synced is there, and of the rest whatever the [`Dice`] say.
//!
//! What is assumed of a disk: a finished `fsync` or `fdatasync` of a file keeps its content and size, one of a folder
//! keeps the names in it, and nothing else keeps anything. In particular a synced file whose name was not synced may
//! be missing, renames and removals may be undone, and blocks of 512 bytes reach the disk in any order.

mod content;
mod dice;
mod disk;
mod layer;
mod record;

pub use dice::Dice;
pub use disk::{Disk, Loss};
pub use layer::Layer;
pub use record::{Operation, Recording};
