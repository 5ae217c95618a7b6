//! What the measurements share: timing, percentiles, tables.
//!
//! Every measurement stands next to a limit that the same run measured on the same machine (an fsync loop, a loopback
//! round trip), because absolute numbers say little about a machine nobody knows.

pub mod echo;
pub mod http2;
pub mod limits;
pub mod objects;
pub mod process;
pub mod program;
pub mod report;
pub mod share;
pub mod sightings;
pub mod timing;
