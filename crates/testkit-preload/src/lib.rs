//! Processes that see another world: a layer between a process and its C library, loaded with `LD_PRELOAD`.
//!
//! [`powerloss`]: a disk that loses what was not synced. [`clock`]: another time of day.
//!
//! The layers in `layers/` are compiled as shared objects of their own (see `build.rs`): linked into a test they would
//! act on the test. They are the one place of the repository that uses `unsafe`.

pub mod clock;
pub mod powerloss;
