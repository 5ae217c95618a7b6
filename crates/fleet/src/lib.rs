//! The members: their connections, health and merged watches.
//!
//! The registry is made of the `KubeFedCluster` objects of the hub and the Secrets that they name; both are watched,
//! and a change of either is in force without a restart. Every member has its own task, lane and indexes: nothing here
//! waits for two members.

mod connect;
mod entrance;
mod flags;
mod health;
pub mod join;
mod lease;
mod member;
mod probe;
mod registry;
mod report;
mod tenant;

pub use connect::client_of;
pub use flags::FlaggedCondition;
pub use health::{Health, Thresholds};
pub use lease::{LeaseSeen, LeaseTimes};
pub use member::{Connect, Member};
pub use registry::{Fleet, FleetEvent, FleetOptions, Watch, over_the_network};
pub use tenant::look_at_lease;

/// Field manager of every write to a cluster's status.
pub const MANAGER: &str = "comity-fleet";
