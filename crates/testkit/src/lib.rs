//! Clusters for tests: embedded API servers in the test's process and real control planes, behind one handle.
//!
//! What needs no product crate (programs, stock clients, child processes) is in `testkit-core`.

mod cluster;
mod embedded;

pub use cluster::{Cluster, Kind};
pub use comity_testkit_core::real::Parts;
