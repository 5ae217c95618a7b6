//! Whether a member may be written at all.
//!
//! Nothing is written before it is known that this hub is not an old one: the member's Lease has been read and taken,
//! and the copies that are there have been compared with their owners. A hub that turns out to be old, or whose Lease
//! another instance holds, only reads.

use std::collections::BTreeSet;

use tokio::time::Instant;

/// What may be done in a member now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not known yet: jobs wait.
    Checking,
    /// Everything.
    Open,
    /// Reading.
    Closed(Closed),
}

/// Why a member is only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The member has seen a newer state of this hub; the text says what shows it.
    HubBehind(Box<str>),
    /// Another instance of this hub holds the member's Lease; the text names it.
    HeldByOther(Box<str>),
}

impl Closed {
    /// The machine-readable reason.
    pub fn code(&self) -> &'static str {
        match self {
            Closed::HubBehind(_) => "HubBehind",
            Closed::HeldByOther(_) => "HeldByOther",
        }
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Closed::HubBehind(why) => {
                write!(
                    f,
                    "this hub is older than what the cluster has seen of it, so the cluster is only read: {why}; stop the hub and run 'comity hub recover'"
                )
            }
            Closed::HeldByOther(holder) => {
                write!(
                    f,
                    "another instance of this hub, {holder}, holds the cluster's Lease, so the cluster is only read: stop one of the two"
                )
            }
        }
    }
}

/// What is known of the member's Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tenure {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// This instance holds it until then.
    Until(Instant),
    /// The member keeps no Leases for this hub; there is nothing to wait for.
    Unguarded,
    /// Another instance holds it.
    Other(Box<str>),
}

/// The facts that a member's standing follows from.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    tenure: Tenure,
    /// Kinds of owners whose copies have not been compared with them.
    unexamined: BTreeSet<String>,
    /// All have been, or it was waited for long enough: kinds that come later are compared one by one.
    opened: bool,
    behind: Option<Box<str>>,
}

impl Fence {
    pub fn standing(&self, now: Instant) -> Standing {
        if let Some(why) = &self.behind {
            return Standing::Closed(Closed::HubBehind(why.clone()));
        }
        match &self.tenure {
            Tenure::Other(holder) => Standing::Closed(Closed::HeldByOther(holder.clone())),
            Tenure::Unknown => Standing::Checking,
            Tenure::Until(until) if *until < now => Standing::Checking,
            Tenure::Until(_) | Tenure::Unguarded if self.opened => Standing::Open,
            Tenure::Until(_) | Tenure::Unguarded => Standing::Checking,
        }
    }

    pub fn expect(&mut self, owner_kind: &str) {
        if !self.opened {
            self.unexamined.insert(owner_kind.to_owned());
        }
    }

    pub fn examined(&mut self, owner_kind: &str) {
        self.unexamined.remove(owner_kind);
        self.settle();
    }

    /// Waits for no comparison any more.
    pub fn open(&mut self) {
        self.unexamined.clear();
        self.settle();
    }

    pub fn lease(&mut self, tenure: Tenure) {
        self.tenure = tenure;
        self.settle();
    }

    pub fn behind(&mut self, why: &str) {
        self.behind.get_or_insert_with(|| why.into());
    }

    /// Before the Lease is known nothing is complete: kinds may still be added.
    fn settle(&mut self) {
        self.opened |= self.unexamined.is_empty() && matches!(self.tenure, Tenure::Until(_) | Tenure::Unguarded);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn until(now: Instant, seconds: u64) -> Tenure {
        Tenure::Until(now + Duration::from_secs(seconds))
    }

    #[test]
    fn nothing_is_written_before_the_lease_is_held_and_the_copies_are_compared() {
        let (mut fence, now) = (Fence::default(), Instant::now());
        fence.expect("A");
        fence.expect("B");
        assert_eq!(fence.standing(now), Standing::Checking);
        fence.lease(until(now, 30));
        fence.examined("A");
        assert_eq!(fence.standing(now), Standing::Checking);
        fence.examined("B");
        assert_eq!(fence.standing(now), Standing::Open);
        fence.expect("C");
        assert_eq!(fence.standing(now), Standing::Open, "a kind that is enabled later holds nobody up");
    }

    #[test]
    fn copies_that_cannot_be_listed_do_not_hold_the_member_for_ever() {
        let (mut fence, now) = (Fence::default(), Instant::now());
        fence.expect("A");
        fence.lease(Tenure::Unguarded);
        fence.open();
        assert_eq!(fence.standing(now), Standing::Open);
    }

    #[test]
    fn a_lease_that_was_not_renewed_gives_no_right_to_write() {
        let (mut fence, now) = (Fence::default(), Instant::now());
        fence.lease(until(now, 30));
        assert_eq!(fence.standing(now + Duration::from_secs(29)), Standing::Open);
        assert_eq!(fence.standing(now + Duration::from_secs(31)), Standing::Checking);
    }

    #[test]
    fn an_old_hub_stays_one_whatever_the_lease_says() {
        let (mut fence, now) = (Fence::default(), Instant::now());
        fence.lease(Tenure::Other("x".into()));
        assert_eq!(fence.standing(now), Standing::Closed(Closed::HeldByOther("x".into())));
        fence.lease(until(now, 30));
        assert_eq!(fence.standing(now), Standing::Open);
        fence.behind("first");
        fence.behind("second");
        fence.lease(until(now, 60));
        assert_eq!(fence.standing(now), Standing::Closed(Closed::HubBehind("first".into())));
    }
}
