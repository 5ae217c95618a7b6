//! One Lease per hub in each member: two instances of one hub, a clone for example, must not both write there.
//!
//! The Lease also carries the hub's epoch and revision, so that a hub restored from an old state is recognised by one
//! request, before it writes anything. Pure: what is read, what it means, what is written.

use std::time::Duration;

use comity_core::{GroupVersionResource, Value, json, object};
use tokio::time::Instant;

/// Epoch of the hub that renewed a Lease last.
const EPOCH: &str = "comity.dev/epoch";
/// Revision of that hub's store at that time.
const REVISION: &str = "comity.dev/revision";
/// The process that renewed it: tells a restart from a clone that has the same identity.
const PROCESS: &str = "comity.dev/process";

/// How often a Lease is renewed, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// Between two renewals.
    pub period: Duration,
    /// After so long without a renewal another instance may take it.
    pub lasts: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self { period: Duration::from_secs(10), lasts: Duration::from_secs(30) }
    }
}

impl LeaseTimes {
    /// In large fleets renewals become rarer, so that they stay at most 20 a second.
    pub(crate) fn for_members(self, members: usize) -> Self {
        let factor = u32::try_from(members / 200).unwrap_or(u32::MAX).saturating_add(1);
        Self { period: self.period.saturating_mul(factor), lasts: self.lasts.saturating_mul(factor) }
    }
}

/// A Lease as others than its holder see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSeen {
    /// The instance that holds it; empty when it was given back.
    pub holder: String,
    /// Epoch of the hub at the last renewal.
    pub epoch: u64,
    /// Time of the last renewal, by the holder's clock.
    pub renewed: String,
}

impl LeaseSeen {
    pub(crate) fn read(lease: &Value) -> Self {
        let Record { holder, epoch, .. } = Record::read(lease);
        Self { holder, epoch, renewed: object::str_at(lease, &["spec", "renewTime"]).to_owned() }
    }

    /// Whether this instance of the hub holds it.
    pub fn is_held_by(&self, instance: &str) -> bool {
        same_instance(&self.holder, instance)
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Me<'a> {
    /// The hub.
    pub hub: &'a str,
    /// The instance of the hub: the same after a restart, another one for a clone.
    pub instance: &'a str,
    /// This process.
    pub process: &'a str,
    pub epoch: u64,
    /// Of the hub's store, now.
    pub revision: u64,
}

/// A Lease as it stands in the member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    holder: String,
    process: String,
    epoch: u64,
    revision: u64,
    lasts: Duration,
    transitions: i64,
    version: String,
}

/// What this process remembers of a Lease.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// This process has held it.
    held: bool,
    /// The state that another holder left, and since when it has not changed.
    still: Option<(String, Instant)>,
}

/// What follows from a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Write it.
    Take,
    /// The holder lives, or may live.
    Wait(String),
    /// The member has seen a newer state of this hub.
    Behind(String),
}

pub(crate) fn gvr() -> GroupVersionResource {
    GroupVersionResource::new("coordination.k8s.io", "v1", "leases")
}

pub(crate) fn name(hub: &str) -> String {
    format!("comity-hub-{hub}")
}

impl Record {
    pub fn read(lease: &Value) -> Self {
        let number = |key| object::annotation(lease, key).and_then(|text| text.parse().ok()).unwrap_or(0);
        let seconds = object::int_at(lease, &["spec", "leaseDurationSeconds"]).and_then(|s| u64::try_from(s).ok()).unwrap_or(0);
        Self {
            holder: object::str_at(lease, &["spec", "holderIdentity"]).to_owned(),
            process: object::annotation(lease, PROCESS).unwrap_or_default().to_owned(),
            epoch: number(EPOCH),
            revision: number(REVISION),
            lasts: Duration::from_secs(seconds),
            transitions: object::int_at(lease, &["spec", "leaseTransitions"]).unwrap_or(0),
            version: object::resource_version(lease).to_owned(),
        }
    }

    /// Whether this process wrote it last.
    pub fn is_of(&self, me: &Me<'_>) -> bool {
        same_instance(&self.holder, me.instance) && self.process == me.process
    }
}

impl Memory {
    /// The Lease is this process's now.
    pub fn took(&mut self) {
        *self = Self { held: true, still: None };
    }

    /// May it be taken?
    pub fn decide(&mut self, found: Option<&Record>, me: &Me<'_>, now: Instant) -> Decision {
        let Some(record) = found else { return Decision::Take };
        if record.is_of(me) {
            return Decision::Take;
        }
        if record.epoch > me.epoch {
            return Decision::Behind(behind(record, me).unwrap_or_default());
        }
        // this process had it: whoever has it now is another one, and lives for as long as anything changes
        let lost = self.held && !record.holder.is_empty();
        if lost && !self.is_still(record, now) {
            return Decision::Wait(record.holder.clone());
        }
        if let Some(why) = behind(record, me) {
            return Decision::Behind(why);
        }
        // the folder's lock says that an earlier process on it is dead; a later one is a clone with the same identity
        if record.holder.is_empty() || (same_instance(&record.holder, me.instance) && !self.held) {
            return Decision::Take;
        }
        if self.is_still(record, now) { Decision::Take } else { Decision::Wait(record.holder.clone()) }
    }

    /// Whether a Lease has not changed for the time that it lasts. The holder's clock is not trusted.
    fn is_still(&mut self, record: &Record, now: Instant) -> bool {
        let since = match &self.still {
            Some((version, since)) if *version == record.version => *since,
            _ => now,
        };
        self.still = Some((record.version.clone(), since));
        now.saturating_duration_since(since) >= record.lasts
    }
}

/// What follows the last `_` tells instances apart; what precedes it is for people and may change.
fn same_instance(one: &str, other: &str) -> bool {
    let essence = |text: &str| text.rsplit('_').next().map(str::to_owned);
    essence(one) == essence(other)
}

fn behind(record: &Record, me: &Me<'_>) -> Option<String> {
    let by = if record.holder.is_empty() || same_instance(&record.holder, me.instance) {
        String::new()
    } else {
        format!(" by instance {}", record.holder)
    };
    if record.epoch > me.epoch {
        return Some(format!("its Lease was renewed{by} in epoch {}, and this is epoch {}", record.epoch, me.epoch));
    }
    (record.epoch == me.epoch && record.revision > me.revision)
        .then(|| format!("its Lease was renewed{by} at revision {} of the hub, and this is revision {}", record.revision, me.revision))
}

/// The Lease as it is to be written over what was found.
pub(crate) fn render(found: Option<&Record>, me: &Me<'_>, namespace: &str, lasts: Duration, now: &str) -> Value {
    let transitions = found.map_or(0, |f| f.transitions + i64::from(!f.holder.is_empty() && !same_instance(&f.holder, me.instance)));
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name(me.hub), "namespace": namespace, "annotations": {
            EPOCH: me.epoch.to_string(), REVISION: me.revision.to_string(), PROCESS: me.process,
        }},
        "spec": {
            "holderIdentity": me.instance, "leaseDurationSeconds": lasts.as_secs().max(1), "renewTime": now,
            "leaseTransitions": transitions,
        },
    });
    if let Some(found) = found {
        lease["metadata"]["resourceVersion"] = found.version.as_str().into();
    }
    lease
}

/// The Lease without a holder: the next instance need not wait.
pub(crate) fn given_back(found: &Record, me: &Me<'_>, namespace: &str, now: &str) -> Value {
    let mut lease = render(Some(found), me, namespace, Duration::from_secs(1), now);
    lease["spec"]["holderIdentity"] = "".into();
    lease
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Me<'static> = Me { hub: "h", instance: "host-a_1111", process: "p1", epoch: 1, revision: 50 };

    fn lease(me: &Me<'_>, found: Option<&Record>, version: &str) -> Record {
        let mut written = render(found, me, "ns", Duration::from_secs(30), "T");
        written["metadata"]["resourceVersion"] = version.into();
        Record::read(&written)
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_restart_on_the_same_folder_goes_on_at_once() {
        let record = lease(&A, None, "1");
        let restarted = Me { process: "p2", instance: "renamed-host_1111", ..A };
        assert_eq!(Memory::default().decide(Some(&record), &restarted, Instant::now()), Decision::Take);
    }

    #[test]
    fn a_clone_waits_until_the_holder_has_been_still_for_the_whole_time() {
        let (mut memory, t) = (Memory::default(), Instant::now());
        let clone = Me { instance: "host-b_2222", process: "p9", ..A };
        let first = lease(&A, None, "1");
        let wait = Decision::Wait("host-a_1111".to_owned());
        assert_eq!(memory.decide(Some(&first), &clone, t), wait);
        assert_eq!(memory.decide(Some(&first), &clone, t + seconds(20)), wait);
        let renewed = lease(&A, Some(&first), "2");
        assert_eq!(memory.decide(Some(&renewed), &clone, t + seconds(30)), wait, "it lives");
        assert_eq!(memory.decide(Some(&renewed), &clone, t + seconds(60)), Decision::Take);
    }

    #[test]
    fn a_clone_with_the_very_same_identity_is_noticed_by_the_one_it_replaces() {
        let (mut memory, t) = (Memory::default(), Instant::now());
        memory.took();
        let twin = Me { process: "p2", ..A };
        assert_eq!(Memory::default().decide(Some(&lease(&A, None, "1")), &twin, t), Decision::Take);
        let wait = Decision::Wait("host-a_1111".to_owned());
        assert_eq!(memory.decide(Some(&lease(&twin, None, "2")), &A, t), wait);
        assert_eq!(memory.decide(Some(&lease(&twin, None, "3")), &A, t + seconds(10)), wait, "it lives, and is not robbed");
        let ahead = lease(&Me { revision: 99, ..twin }, None, "4");
        assert_eq!(memory.decide(Some(&ahead), &A, t + seconds(20)), wait, "and while it does, it holds it and nothing else");
        assert!(matches!(memory.decide(Some(&ahead), &A, t + seconds(50)), Decision::Behind(_)), "dead, and newer");
    }

    #[test]
    fn a_hub_that_is_older_than_its_lease_knows_it() {
        let newer = lease(&Me { revision: 51, ..A }, None, "1");
        let restarted = Me { process: "p2", ..A };
        let Decision::Behind(why) = Memory::default().decide(Some(&newer), &restarted, Instant::now()) else { panic!() };
        assert_eq!(why, "its Lease was renewed at revision 51 of the hub, and this is revision 50");
        let recovered = Me { epoch: 2, revision: 3, ..restarted };
        assert_eq!(Memory::default().decide(Some(&newer), &recovered, Instant::now()), Decision::Take);
        let epoch = lease(&Me { epoch: 2, revision: 3, instance: "b_2", ..A }, None, "1");
        let Decision::Behind(why) = Memory::default().decide(Some(&epoch), &restarted, Instant::now()) else { panic!() };
        assert_eq!(why, "its Lease was renewed by instance b_2 in epoch 2, and this is epoch 1");
    }

    #[test]
    fn a_lease_that_was_given_back_is_free() {
        let mut written = given_back(&lease(&A, None, "1"), &A, "ns", "T");
        written["metadata"]["resourceVersion"] = "2".into();
        let other = Me { instance: "b_2", process: "p", ..A };
        assert_eq!(Memory::default().decide(Some(&Record::read(&written)), &other, Instant::now()), Decision::Take);
    }

    #[test]
    fn renewals_become_rarer_in_large_fleets() {
        let times = LeaseTimes::default();
        assert_eq!(times.for_members(5), times);
        assert_eq!(times.for_members(1000), LeaseTimes { period: seconds(60), lasts: seconds(180) });
    }
}
