//! The frame around every request: parsing, negotiation, limits, headers.

pub mod accept;
pub mod gzip;
pub mod limits;
pub mod path;
pub mod query;
