//! The controller kit, type-erased: caches, queues, executor.

pub mod controller;
pub mod events;
pub mod executor;
pub mod key;
pub mod queue;
pub mod workers;

pub use comity_lane as lane;
pub use controller::{Controller, Outcome};
pub use events::{EventKind, EventRecorder};
pub use executor::{Action, Cascade, Cause, CopyAction, CopyRound, Executor, Guard, Held, Remaining, Stop};
pub use key::Key;
pub use queue::{Priority, Queue};
pub use workers::run;
