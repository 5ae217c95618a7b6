//! Who works: decided from what the Lease says and how long it has said so. Pure.
//!
//! Clocks of different machines are never compared: a holder is gone when its record has not changed for as long as it
//! promised, by our own clock.

use std::time::Duration;

use comity_core::{Value, json, object, time};
use jiff::Timestamp;
use tokio::time::Instant;

/// How long a record is good for.
pub(super) const GOOD_FOR: Duration = Duration::from_secs(15);

/// What is to be done about the Lease.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// There is none: make this one.
    Make(Value),
    /// Replace it with this one: to renew it, or to take it over.
    Write(Value),
    /// Somebody else holds it.
    Wait {
        /// Who.
        holder: String,
    },
}

/// What has been seen of the Lease so far.
#[derive(Debug)]
pub(super) struct Election {
    me: String,
    seen: Option<(String, Instant)>,
}

impl Election {
    pub(super) fn new(me: &str) -> Self {
        Self { me: me.to_owned(), seen: None }
    }

    /// Decides; `time` goes into the record, `now` is the clock that decides.
    pub(super) fn look(&mut self, lease: Option<&Value>, now: Instant, time: Timestamp) -> Step {
        let Some(lease) = lease else {
            return Step::Make(json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": self.spec(0, &time::rfc3339_micro(time), time),
            }));
        };
        let text = |key: &str| object::str_at(lease, &["spec", key]);
        let holder = text("holderIdentity");
        let transitions = object::int_at(lease, &["spec", "leaseTransitions"]).unwrap_or(0);
        if holder == self.me {
            return Step::Write(self.on(lease, transitions, text("acquireTime"), time));
        }
        let record = format!("{holder} {}", text("renewTime"));
        let since = match &self.seen {
            Some((known, since)) if *known == record => *since,
            _ => {
                self.seen = Some((record, now));
                now
            }
        };
        let seconds = object::int_at(lease, &["spec", "leaseDurationSeconds"]).and_then(|s| u64::try_from(s).ok());
        let good_for = seconds.map_or(GOOD_FOR, Duration::from_secs);
        if !holder.is_empty() && now.saturating_duration_since(since) < good_for {
            return Step::Wait { holder: holder.to_owned() };
        }
        Step::Write(self.on(lease, transitions + 1, &time::rfc3339_micro(time), time))
    }

    /// The record that hands the Lease to whoever comes first; `None` when it is not ours.
    pub(super) fn release(&self, lease: &Value, time: Timestamp) -> Option<Value> {
        if object::str_at(lease, &["spec", "holderIdentity"]) != self.me {
            return None;
        }
        let mut given = lease.clone();
        given["spec"]["holderIdentity"] = "".into();
        given["spec"]["leaseDurationSeconds"] = 1.into();
        given["spec"]["renewTime"] = time::rfc3339_micro(time).into();
        Some(given)
    }

    fn on(&self, lease: &Value, transitions: i64, acquired: &str, time: Timestamp) -> Value {
        let mut taken = lease.clone();
        taken["spec"] = self.spec(transitions, acquired, time);
        taken
    }

    fn spec(&self, transitions: i64, acquired: &str, time: Timestamp) -> Value {
        json!({
            "holderIdentity": self.me, "leaseDurationSeconds": GOOD_FOR.as_secs(), "leaseTransitions": transitions,
            "acquireTime": acquired, "renewTime": time::rfc3339_micro(time),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn written(step: Step) -> Value {
        match step {
            Step::Make(lease) | Step::Write(lease) => lease,
            Step::Wait { holder } => panic!("waits for {holder}"),
        }
    }

    #[test]
    fn the_first_makes_it_and_renews_it() {
        let (mut one, now) = (Election::new("one"), Instant::now());
        let lease = written(one.look(None, now, at(0)));
        let again = written(one.look(Some(&lease), now, at(5)));
        assert_eq!(again["spec"]["acquireTime"], lease["spec"]["acquireTime"]);
        assert_ne!(again["spec"]["renewTime"], lease["spec"]["renewTime"]);
        assert_eq!(again["spec"]["leaseTransitions"], 0);
    }

    #[test]
    fn a_second_waits_while_the_record_changes_and_takes_over_when_it_does_not() {
        let (mut one, mut two, begin) = (Election::new("one"), Election::new("two"), Instant::now());
        let mut lease = written(one.look(None, begin, at(0)));
        for second in (0..60).step_by(5) {
            let now = begin + Duration::from_secs(second);
            // the holder's clock is an hour behind: that does not matter
            lease = written(one.look(Some(&lease), now, at(second as i64 - 3600)));
            assert_eq!(two.look(Some(&lease), now, at(second as i64)), Step::Wait { holder: "one".into() });
        }
        let last = begin + Duration::from_secs(55);
        assert!(matches!(two.look(Some(&lease), last + Duration::from_secs(14), at(70)), Step::Wait { .. }));
        let taken = written(two.look(Some(&lease), last + Duration::from_secs(15), at(71)));
        assert_eq!((taken["spec"]["holderIdentity"].as_str(), taken["spec"]["leaseTransitions"].as_i64()), (Some("two"), Some(1)));
        assert!(matches!(one.look(Some(&taken), last + Duration::from_secs(16), at(72)), Step::Wait { .. }));
    }

    #[test]
    fn what_is_given_back_is_taken_at_once() {
        let (mut one, mut two, now) = (Election::new("one"), Election::new("two"), Instant::now());
        let lease = written(one.look(None, now, at(0)));
        assert_eq!(two.release(&lease, at(1)), None);
        let given = one.release(&lease, at(1)).unwrap();
        assert_eq!(written(two.look(Some(&given), now, at(1)))["spec"]["holderIdentity"], "two");
    }
}
