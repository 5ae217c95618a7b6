//! What each command does.

mod connect;
pub(crate) mod drift;
pub(crate) mod hub_start;
pub(crate) mod nodes;
pub(crate) mod plan;
pub(crate) mod recover;
pub(crate) mod release;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod version;
pub(crate) mod why;
