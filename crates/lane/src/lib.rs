//! One member's desired set kept true: watch, difference, apply, retry, fence.

mod absent;
pub mod adopted;
pub mod arbitrate;
pub mod backoff;
pub mod cache;
pub mod client;
pub mod compact;
pub mod copies;
pub mod copy;
pub mod facts;
pub mod fence;
pub mod job;
pub mod lane;
pub mod owned;
pub mod target;

pub use backoff::Backoff;
pub use cache::{Cache, CacheEvent, Interest};
pub use client::{ClientError, ClusterClient, DeleteOptions, Discovery, List, ListOptions, PatchKind, Propagation};
pub use compact::Compact;
pub use copies::{Copies, OnSilence, Seen};
pub use copy::{Copy, Holder};
pub use facts::{Facts, Knowledge};
pub use fence::{Closed, Standing, Tenure};
pub use job::{Apply, Delete, Done, Failure, Job, Release, Step, Trouble};
pub use lane::{Attempt, Backlog, Concurrency, Lane, LaneOptions, Report, Urgency};
pub use target::Target;
