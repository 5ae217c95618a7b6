//! What an object still has when the copies that its plan takes are gone: make before break, and never the last one.

use comity_fleet::Health;
use comity_lane::{Copy, Job};
use comity_runtime::{Cause, Remaining};

use super::{Plan, safety};
use crate::{
    model::{MemberSeen, Observed},
    status,
};

/// Tells the deletes of copies that are no longer placed what remains.
pub(super) fn mark(seen: &Observed, plan: &mut Plan) {
    let leaves = plan.verdicts.values().any(|v| matches!((&v.job, &v.cause), (Some(Job::Delete(_)), Cause::Unplaced(_))));
    if !leaves {
        return;
    }
    let is_healthy = |cluster: &str, replicas: Option<i64>| {
        seen.members
            .get(cluster)
            .and_then(|member| Some((member, safety::ours(&member.copy)?)))
            .is_some_and(|(m, c)| healthy(m, c, replicas))
    };
    let wanted = plan.verdicts.iter().any(|(name, verdict)| verdict.placed && seen.members.contains_key(name));
    let healthy_elsewhere = plan.verdicts.iter().any(|(name, verdict)| verdict.placed && is_healthy(name, verdict.replicas));
    for (name, verdict) in &mut plan.verdicts {
        let Cause::Unplaced(remaining) = &mut verdict.cause else { continue };
        let itself = is_healthy(name, None);
        *remaining = match (healthy_elsewhere || !itself, wanted) {
            (true, _) => Remaining::Enough,
            (false, true) => Remaining::NotHealthyYet,
            (false, false) => Remaining::Nothing,
        };
    }
}

/// A copy that serves: its member answers, and where it should have replicas, one at least is ready.
fn healthy(member: &MemberSeen, copy: &Copy, replicas: Option<i64>) -> bool {
    if member.health != Health::Ready || copy.deleting {
        return false;
    }
    // where the status is not kept, nothing better is known than that it is there
    let (desired, ready) = status::ready(replicas.or(copy.replicas), &member.copy, copy.generation);
    copy.status.is_none() || desired.is_none_or(|desired| desired <= 0) || ready > 0
}
