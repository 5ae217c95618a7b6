//! Decides what each member must hold of one federated object.
//!
//! Pure: members and placement are arguments; members are visited in name order. Nothing here reads a cache, a clock
//! or writes a cluster.

mod content;
mod presence;
mod remaining;
mod removal;
mod safety;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use comity_api_kubefed::keys;
use comity_core::object;
use comity_lane::{Job, Urgency};
use comity_placement::{Placed, place};
use comity_runtime::Cause;

use crate::{
    model::{Desired, Fault, MemberSeen, Observed},
    status,
};

pub(crate) use content::{Pen, variants};
pub use content::{Rendered, render};
pub use removal::plan as removal;
pub use safety::held_copies;

/// What is to be done about one object.
#[derive(Debug, Default)]
pub struct Plan {
    /// The finalizers to write before anything else.
    pub finalizers: Option<Vec<String>>,
    /// One verdict for every joined member and every name that is listed.
    pub verdicts: BTreeMap<String, Verdict>,
    /// Look again after this time, whatever happens.
    pub wake: Option<Duration>,
    /// Warnings about the object: reason and message.
    pub warnings: Vec<(&'static str, String)>,
    /// Members whose copy goes later: to be recorded before the finalizer goes.
    pub deferred: Vec<String>,
}

/// The decision for one member.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The write that is due.
    pub job: Option<Job>,
    /// How urgent it is.
    pub urgency: Option<Urgency>,
    /// What the write follows from.
    pub cause: Cause,
    /// A copy belongs there, whether or not it can be there now.
    pub placed: bool,
    /// The copy is as it should be.
    pub in_sync: bool,
    /// A write is under way, for so long.
    pub pending: Option<Duration>,
    /// What is needed to judge has not been read yet; it will be soon.
    pub unread: bool,
    /// What is wrong.
    pub fault: Option<Fault>,
    /// Why the member is placed or left out.
    pub because: &'static str,
    /// Replicas that the copy should have, where the kind has replicas.
    pub replicas: Option<i64>,
    /// What is worth knowing though nothing is wrong.
    pub notes: Vec<Note>,
    /// Another controller has been changing the copy back: what, and who.
    pub contested: Option<String>,
}

/// Something that is worth knowing about a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Machine-readable reason.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Reason of a note, and condition: others added fields that stay.
pub const AUGMENTED: &str = "Augmented";
/// Status word and condition: another controller keeps changing the copy back.
pub const CONTESTED: &str = "Contested";

impl Verdict {
    fn unread() -> Self {
        Self { unread: true, ..Self::default() }
    }

    /// An earlier process left the copy with this content: whether it still has it is about to be looked at.
    pub fn is_compared_later(&self) -> bool {
        self.unread && self.pending.is_some()
    }

    fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }
}

/// Plans for an object that is not being deleted.
pub fn plan(seen: &Observed, want: &Desired) -> Plan {
    let mut plan = Plan { finalizers: finalizer_missing(seen), ..Plan::default() };
    let placed = place(&want.placement, &seen.members, &want.namespace);
    let pen = Pen::new(seen, want);
    warn(&mut plan, seen, want, &placed);
    let told: HashSet<&str> = status::told(&seen.object).collect();
    for (name, decision) in &placed.decisions {
        let mut verdict = match seen.members.get(name) {
            None => Verdict { placed: true, ..Verdict::fault(Fault::new("ClusterNotJoined", "ClusterNotJoined", decision.reason.text())) },
            Some(member) if decision.wanted => presence::wanted(&pen, name, member),
            Some(member) => safety::unwanted(seen, want, member, told.contains(name.as_str())),
        };
        verdict.because = decision.reason.text();
        settle(&mut verdict, seen.members.get(name), &mut plan.wake);
        plan.verdicts.insert(name.clone(), verdict);
    }
    remaining::mark(seen, &mut plan);
    plan
}

/// Takes a due job back while the same one is under way or must wait, and says so.
fn settle(verdict: &mut Verdict, member: Option<&MemberSeen>, wake: &mut Option<Duration>) {
    use crate::model::Progress;
    let Some(member) = member else { return };
    if let Progress::Failed { fault, .. } = &member.progress
        && fault.status == CONTESTED
    {
        verdict.contested = Some(fault.message.clone());
    }
    let Some(job) = &verdict.job else { return };
    if let Some(closed) = &member.closed {
        let status = match job {
            Job::Apply(apply) if apply.uid.is_some() => "UpdateFailed",
            Job::Apply(_) => "CreationFailed",
            Job::Delete(_) => "DeletionFailed",
            Job::Release(_) => "LabelRemovalFailed",
            Job::Look => "RetrievalFailed",
        };
        verdict.fault = Some(Fault::new(status, closed.code(), closed.to_string()));
        verdict.unread = false;
        verdict.job = None;
        return;
    }
    let due = job.fingerprint();
    match &member.progress {
        Progress::Pending { fingerprint, since } if *fingerprint == due => {
            verdict.pending = Some(*since);
            verdict.job = None;
        }
        Progress::Failed { fingerprint, fault, retry_in } if *fingerprint == due => {
            verdict.fault = Some(fault.clone());
            verdict.unread = false;
            if retry_in.is_zero() {
                return;
            }
            verdict.job = None;
            sooner(wake, *retry_in);
        }
        _ => verdict.pending = Some(Duration::ZERO),
    }
}

/// The earlier of two wake-ups.
pub fn sooner(wake: &mut Option<Duration>, other: Duration) {
    *wake = Some(wake.map_or(other, |known| known.min(other)));
}

fn finalizer_missing(seen: &Observed) -> Option<Vec<String>> {
    let mut all: Vec<String> = object::finalizers(&seen.object).map(str::to_owned).collect();
    if all.iter().any(|f| f == keys::SYNC_FINALIZER) {
        return None;
    }
    all.push(keys::SYNC_FINALIZER.to_owned());
    Some(all)
}

/// Edits that nobody has acted on go first.
pub(crate) fn urgency(seen: &Observed) -> Urgency {
    let observed = object::int_at(&seen.object, &["status", "observedGeneration"]).unwrap_or(0);
    if observed == object::generation(&seen.object) { Urgency::Drift } else { Urgency::User }
}

fn warn(plan: &mut Plan, seen: &Observed, want: &Desired, placed: &Placed) {
    if urgency(seen) != Urgency::User {
        return;
    }
    if object::items_at(&want.template, &["metadata", "finalizers"]).iter().any(|f| f.is_string()) {
        let message = "finalizers in a template are not propagated to clusters";
        plan.warnings.push(("FinalizersNotSupported", message.to_owned()));
    }
    for name in &placed.repeated {
        plan.warnings.push(("DuplicateCluster", format!("the placement names cluster {name:?} more than once; it counts once")));
    }
}
