//! What can be wrong with a cluster, and the gate that makes it so while everything runs.

mod body;
mod gate;
mod tamper;

use std::time::Duration;

pub use gate::{Gate, Logged};

/// What is wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Nobody listens, and connections are reset.
    Refused,
    /// Connections are accepted and nothing is ever answered; they are reset when that ends.
    Silent,
    /// Established connections freeze for ever, as behind a router that has forgotten them; new ones freeze too while this lasts.
    HalfOpen,
    /// Every answer comes so much later.
    Slow(Duration),
    /// Lists end early, and watches in the middle of a line.
    Cut,
    /// Every request is answered with this code.
    Answers {
        /// The HTTP code.
        code: u16,
        /// The seconds of `Retry-After`.
        retry_after: Option<u32>,
    },
    /// Lists and the lines of watches hold bytes that are no JSON.
    Garbage,
    /// Lists show the state at the time of [`Gate::remember`], with its revision. Watches are refused as expired.
    StaleLists,
    /// Lists are empty, with the present revision. Watches are refused as expired.
    EmptyLists,
    /// Lists lack every second object, with the present revision. Watches are refused as expired.
    HalfLists,
    /// The server shows a certificate of an authority that nobody knows. Only a proxy can.
    WrongCertificate,
}

impl Fault {
    /// Whether lists say something that is not so.
    pub fn lies(&self) -> bool {
        matches!(self, Fault::StaleLists | Fault::EmptyLists | Fault::HalfLists)
    }
}
