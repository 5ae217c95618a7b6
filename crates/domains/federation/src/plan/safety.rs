//! A member that must not have a copy: delete it, hold it back, or leave it alone?
//!
//! Only what is known to be this object's copy goes, and only from a member that answers.

use comity_fleet::Health;
use comity_lane::{Copy, Delete, Holder, Job, Release, Seen};
use comity_runtime::{Cause, Remaining};

use super::{Verdict, urgency};
use crate::model::{Deletion, Desired, Fault, MemberSeen, Observed};

/// Decides for one joined member that the placement leaves out.
pub(super) fn unwanted(seen: &Observed, want: &Desired, member: &MemberSeen) -> Verdict {
    match ours(&member.copy) {
        Some(copy) => hold_or_delete(seen, &want.deletion, member, copy, Cause::Unplaced(Remaining::default())),
        None => Verdict::default(),
    }
}

/// The copy, if it is one of this object's.
pub(super) fn ours(copy: &Seen) -> Option<&Copy> {
    match copy {
        Seen::Present(copy) if matches!(copy.holder, Holder::Us(_)) => Some(copy),
        _ => None,
    }
}

/// How many members hold a copy of the object that is not going yet.
pub fn held_copies(seen: &Observed) -> usize {
    seen.members.values().filter(|member| ours(&member.copy).is_some_and(|copy| !copy.deleting)).count()
}

/// A copy that has to go: now, or when the member answers.
pub(super) fn hold_or_delete(seen: &Observed, deletion: &Deletion, member: &MemberSeen, copy: &Copy, cause: Cause) -> Verdict {
    if copy.deleting {
        return Verdict::fault(Fault::new("WaitingForRemoval", "WaitingForRemoval", "the copy is being deleted there"));
    }
    if let Holder::Us(hold) = &copy.holder
        && hold.epoch > seen.hub.epoch
    {
        let message = format!("the copy was written in epoch {} and this hub is in epoch {}", hold.epoch, seen.hub.epoch);
        return Verdict::fault(Fault::new("DeletionFailed", "HubBehind", message));
    }
    match &member.health {
        Health::Ready => {}
        Health::Unknown => return Verdict::unread(),
        Health::NotReady { message, .. } => {
            let message = format!("the copy is deleted when the cluster returns: {message}");
            return Verdict::fault(Fault::new("ClusterNotReady", "DeletionDeferred", message));
        }
    }
    let job = if seen.kind.is_namespace && copy.uid == *seen.hub_namespace_uid.as_str() {
        // this member is the hub itself: its own namespace stays
        Job::Release(Release { uid: copy.uid.to_string() })
    } else {
        Job::Delete(Delete {
            uid: copy.uid.to_string(),
            resource_version: copy.resource_version.to_string(),
            options: deletion.options.clone(),
        })
    };
    Verdict { job: Some(job), urgency: Some(urgency(seen)), cause, ..Verdict::default() }
}
