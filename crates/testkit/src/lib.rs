//! Clusters for tests: embedded API servers in the test's process and real control planes, behind one handle.
//!
//! Between a hub and its members stands a [`Gate`], over a socket as a [`Proxy`], which makes what can go wrong go wrong.
//! What needs no product crate (programs, stock clients, child processes) is in `testkit-core`.

mod cluster;
mod embedded;
pub mod fake;
pub mod fault;
pub mod proxy;
pub mod upstream;
mod webhook;

pub use cluster::{Cluster, Kind};
pub use comity_testkit_core::real::Parts;
pub use fake::FakeCluster;
pub use fault::{Fault, Gate};
pub use proxy::Proxy;
pub use upstream::{Answer, BoxError, Upstream};
pub use webhook::Webhook;
