//! One member's desired set kept true: watch, difference, apply, retry, fence.

pub mod backoff;
pub mod cache;
pub mod client;

pub use backoff::Backoff;
pub use cache::{Cache, CacheEvent, Interest};
pub use client::{ClientError, ClusterClient, DeleteOptions, Discovery, List, ListOptions, PatchKind, Propagation};
