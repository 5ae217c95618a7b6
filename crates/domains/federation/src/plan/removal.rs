//! The federated object is being deleted: its copies go, or are released, and then its finalizer.

use std::{collections::HashSet, time::Duration};

use comity_api_kubefed::keys;
use comity_core::object;
use comity_fleet::Health;
use comity_lane::{Job, Release};
use comity_runtime::Cause;

use super::{Plan, Verdict, safety, settle, sooner};
use crate::{
    model::{Deletion, Fault, MemberSeen, Observed, OnUnreachable, Progress},
    status,
};

/// Plans for an object with a deletion timestamp.
pub fn plan(seen: &Observed, deletion: &Deletion) -> Plan {
    let mut plan = Plan::default();
    let finalizers: Vec<String> = object::finalizers(&seen.object).map(str::to_owned).collect();
    if !finalizers.iter().any(|f| f == keys::SYNC_FINALIZER) {
        return plan;
    }
    let mut all_gone = true;
    let told: HashSet<&str> = status::told(&seen.object).collect();
    for (name, member) in &seen.members {
        let Some(mut verdict) = decide(seen, deletion, &told, name, member) else { continue };
        verdict.because = "the federated object is being deleted";
        match waits_for(seen, deletion, member, &verdict) {
            Some(Duration::ZERO) => plan.deferred.push(name.clone()),
            Some(left) => {
                sooner(&mut plan.wake, left);
                all_gone = false;
            }
            None => all_gone = false,
        }
        settle(&mut verdict, Some(member), &mut plan.wake);
        plan.verdicts.insert(name.clone(), verdict);
    }
    if all_gone {
        plan.finalizers = Some(finalizers.into_iter().filter(|f| f != keys::SYNC_FINALIZER).collect());
    }
    plan
}

/// How long a member that does not answer is still waited for; `None` where that is no question.
///
/// What is deleted with a namespace or a definition is held first: it is not deleted later either.
fn waits_for(seen: &Observed, deletion: &Deletion, member: &MemberSeen, verdict: &Verdict) -> Option<Duration> {
    let going = |fault: &Fault| matches!(fault.status, "ClusterNotReady" | "WaitingForRemoval");
    let silent = matches!(member.health, Health::NotReady { .. }) && verdict.fault.as_ref().is_some_and(going);
    let held = matches!(seen.deleted_by, Cause::Cascade { allowed: false, .. });
    (silent && !held && deletion.unreachable == OnUnreachable::Defer).then(|| seen.defer_after.saturating_sub(member.silent_for))
}

/// `None` when the member holds nothing of this object.
fn decide(seen: &Observed, deletion: &Deletion, told: &HashSet<&str>, name: &str, member: &MemberSeen) -> Option<Verdict> {
    let answers = member.health == Health::Ready;
    if !answers && deletion.unreachable == OnUnreachable::Orphan {
        return None;
    }
    if let Some(copy) = safety::ours(&member.copy) {
        if deletion.orphan && answers {
            let job = Job::Release(Release { uid: copy.uid.to_string() });
            let urgency = Some(super::urgency(seen));
            return Some(Verdict { job: Some(job), urgency, cause: Cause::OwnerDeleted, ..Verdict::default() });
        }
        return Some(safety::hold_or_delete(seen, deletion, member, copy, seen.deleted_by.clone()));
    }
    // a write that is still under way may yet make one
    if let Progress::Pending { since, .. } = member.progress {
        return Some(Verdict { pending: Some(since), ..Verdict::default() });
    }
    // a member that was told to have a copy may have one that nobody has seen; without a status nobody knows who was
    if !told.is_empty() && !told.contains(name) {
        // an edit that was not acted on to its end may have placed it there
        return (status::is_behind_an_edit(&seen.object) && safety::is_unproven(member)).then(|| safety::look(seen));
    }
    safety::unseen(seen, member)
}
