//! Is this hub older than what a member has seen of it? Then that member is only read.
//!
//! Every copy names the epoch of the hub and the generation of the owner that it was made from. A copy that is ahead of
//! its owner was made by a later state of this hub. All copies are compared before the first write to their member.

use std::sync::Arc;

use comity_core::object;
use comity_fleet::Member;
use comity_lane::{Copy, Holder, Seen};

use crate::{domain::Federation, model::Observed, owners::Owner, types::Running};

/// What shows that the hub is old, if this copy does.
pub(crate) fn ahead(copy: &Copy, owner: Option<&Owner>, epoch: u64, what: &str) -> Option<String> {
    let Holder::Us(hold) = &copy.holder else { return None };
    if hold.epoch > epoch {
        return Some(format!("{what} was written in epoch {}, and this is epoch {epoch}", hold.epoch));
    }
    let own = owner.filter(|owner| hold.epoch == epoch && hold.owner_uid == owner.uid)?.generation;
    (hold.generation > own)
        .then(|| format!("{what} was made from generation {} of its owner, which is at generation {own} here", hold.generation))
}

/// Compares the copies of one object; called whenever it is looked at.
pub(crate) fn compare(federation: &Federation, seen: &Observed) {
    let (namespace, name) = seen.kind.copy_name(object::namespace(&seen.object), object::name(&seen.object));
    let owner = Owner { uid: object::uid(&seen.object).into(), generation: object::generation(&seen.object) };
    for (cluster, facts) in &seen.members {
        let Seen::Present(copy) = &facts.copy else { continue };
        let what = || seen.kind.target.describe(namespace, name);
        let old = ahead(copy, Some(&owner), seen.hub.epoch, "").is_some();
        if let (true, Some(member)) = (old, federation.fleet.member(cluster))
            && let Some(why) = ahead(copy, Some(&owner), seen.hub.epoch, &what())
        {
            member.lane.behind(&why);
        }
    }
}

/// Compares all copies of a type in every member.
pub(crate) fn examine_all(federation: &Federation, running: &Running) {
    federation.fleet.members().values().for_each(|member| examine(federation, running, member));
}

/// Compares all copies of a type in one member, once both sides are known.
pub(crate) fn examine(federation: &Federation, running: &Running, member: &Arc<Member>) {
    let owner_kind = &running.kind.target.owner_kind;
    let Some(copies) = member.copies(owner_kind).filter(|copies| copies.is_answered() && running.cache.is_synced()) else { return };
    let epoch = federation.hub_mark.epoch;
    let mut old = None;
    let mut orphans = 0_usize;
    copies.each(|namespace, name, copy| {
        let (owner_namespace, owner_name) = running.owner_of(namespace, name);
        let owner = running.owners.get(owner_namespace, owner_name);
        orphans += usize::from(owner.is_none() && matches!(copy.holder, Holder::Us(_)));
        if old.is_none() && ahead(copy, owner.as_ref(), epoch, "").is_some() {
            old = ahead(copy, owner.as_ref(), epoch, &running.kind.target.describe(namespace, name));
        }
    });
    if copies.newest_epoch() > epoch {
        old = old.or_else(|| Some(format!("a copy was written in epoch {}, and this is epoch {epoch}", copies.newest_epoch())));
    }
    if let Some(why) = old {
        member.lane.behind(&why);
    }
    if orphans > 0 {
        tracing::info!(cluster = &*member.name, owner_kind, orphans, "copies whose owners do not exist on the hub are left alone");
    }
    member.lane.examined(owner_kind);
}

#[cfg(test)]
mod tests {
    use comity_lane::copy::Hold;

    use super::*;

    fn said(epoch: u64, generation: i64, uid: &str) -> Option<String> {
        let copy = Copy {
            uid: "c".into(),
            resource_version: "1".into(),
            generation: 1,
            digest: 0,
            deleting: false,
            holder: Holder::Us(Hold { owner_uid: "owner".into(), epoch, generation, content: 0 }),
            replicas: None,
            replicas_held: false,
            additions: None,
            status: None,
            applied: None,
        };
        let owner = Owner { uid: uid.into(), generation: 4 };
        ahead(&copy, Some(&owner), 2, "ConfigMap \"ns/n\"")
    }

    #[test]
    fn a_copy_that_is_ahead_of_its_owner_shows_that_the_hub_is_old() {
        assert_eq!(said(2, 4, "owner"), None);
        assert_eq!(
            said(2, 5, "owner").unwrap(),
            "ConfigMap \"ns/n\" was made from generation 5 of its owner, which is at generation 4 here"
        );
        assert_eq!(said(3, 1, "owner").unwrap(), "ConfigMap \"ns/n\" was written in epoch 3, and this is epoch 2");
    }

    #[test]
    fn a_copy_of_an_earlier_owner_or_epoch_says_nothing() {
        assert_eq!(said(2, 9, "another"), None);
        assert_eq!(said(1, 9, "owner"), None, "recovery has settled it");
    }
}
