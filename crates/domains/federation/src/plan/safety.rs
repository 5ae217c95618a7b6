//! A member that must not have a copy: delete it, hold it back, or leave it alone?
//!
//! Only what is known to be this object's copy goes, and only from a member that answers.

use comity_fleet::Health;
use comity_lane::{Copy, Delete, Holder, Job, Release, Seen};
use comity_runtime::{Cause, Remaining};

use super::{Verdict, urgency};
use crate::model::{Deletion, Desired, Fault, MemberSeen, Observed};

/// Decides for one joined member that the placement leaves out; `told`: the stored status names it.
pub(super) fn unwanted(seen: &Observed, want: &Desired, member: &MemberSeen, told: bool) -> Verdict {
    match ours(&member.copy) {
        Some(copy) => hold_or_delete(seen, &want.deletion, member, copy, Cause::Unplaced(Remaining::default())),
        None => if told { unseen(seen, member) } else { None }.unwrap_or_default(),
    }
}

/// A member in which nobody sees a copy and which was told to have one; `None` when it is known that it has none.
pub(super) fn unseen(seen: &Observed, member: &MemberSeen) -> Option<Verdict> {
    match (&member.copy, &member.health) {
        (Seen::Present(_) | Seen::NotServed, _) => None,
        (Seen::Absent, Health::Ready) if member.gone => None,
        (Seen::Absent, Health::Ready) => Some(look(seen)),
        (_, Health::Unknown) => Some(Verdict::unread()),
        (Seen::Unknown(why), Health::Ready) if why.is_empty() => Some(Verdict::unread()),
        (Seen::Unknown(why), Health::Ready) => {
            let message = format!("whether the cluster has a copy is not known: {why}");
            Some(Verdict::fault(Fault::new("CachedRetrievalFailed", "CachedRetrievalFailed", message)))
        }
        (_, Health::NotReady { .. }) if member.gone => None,
        (_, Health::NotReady { message, .. }) => {
            let message = format!("the cluster does not answer, and may have a copy: {message}");
            Some(Verdict::fault(Fault::new("ClusterNotReady", "DeletionDeferred", message)))
        }
    }
}

/// Whether only a list says that the member has no copy.
pub(super) fn is_unproven(member: &MemberSeen) -> bool {
    member.copy == Seen::Absent && member.health == Health::Ready && !member.gone
}

/// The member is asked whether it has a copy.
pub(super) fn look(seen: &Observed) -> Verdict {
    Verdict { job: Some(Job::Look), urgency: Some(urgency(seen)), ..Verdict::default() }
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
