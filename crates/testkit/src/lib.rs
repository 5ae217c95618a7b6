//! In-process hubs and members, the built binary, real control planes, stock clients.

pub use comity_testkit_core::*;
