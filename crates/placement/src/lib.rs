//! Which clusters an object goes to: pure functions of policy and members.
//!
//! Inputs are sorted maps, results name a reason for every member. There is no clock, no randomness and no IO here.

mod explicit;
mod reason;

pub use explicit::{Decision, Labelled, Member, NamespaceRule, Placed, Placement, place, selects};
pub use reason::Reason;
