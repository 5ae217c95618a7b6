//! A member that must have a copy: is it there, is it ours, does it say the right thing?

use comity_core::{labels, marks::object_name, object};
use comity_fleet::Health;
use comity_lane::{Apply, Copy, Holder, Job, Seen, copy::Hold};

use super::{AUGMENTED, Note, Pen, Rendered, Verdict, urgency};
use crate::model::{Autoscaler, Fault, MemberSeen, NamespaceSeen, Observed};

/// Decides for one member that is placed.
pub(super) fn wanted(pen: &Pen<'_>, cluster: &str, member: &MemberSeen) -> Verdict {
    let mut verdict = decide(pen, cluster, member);
    verdict.placed = true;
    // what is due is done all the same: a write tells what is there
    if let (Some(why), None, Health::Ready) = (&member.behind, &verdict.fault, &member.health) {
        let message = format!("what the cluster holds is known as of an earlier time: {why}");
        verdict.fault = Some(Fault::new("CachedRetrievalFailed", "CachedRetrievalFailed", message));
        verdict.in_sync = false;
    }
    verdict
}

fn decide(pen: &Pen<'_>, cluster: &str, member: &MemberSeen) -> Verdict {
    let seen = pen.seen;
    match &member.health {
        Health::Ready => {}
        // what runs there goes on running
        Health::NotReady { reason, message } => return Verdict::fault(Fault::new("ClusterNotReady", reason, message.clone())),
        Health::Unknown => return Verdict::unread(),
    }
    let copy = match &member.copy {
        Seen::NotServed => {
            let message = format!("the cluster does not serve {}", seen.kind.target.gvr);
            return Verdict::fault(Fault::new("APINotEnabled", "APINotEnabled", message));
        }
        Seen::Unknown(why) if why.is_empty() => return Verdict::unread(),
        Seen::Unknown(why) => {
            return Verdict::fault(Fault::new("CachedRetrievalFailed", "CachedRetrievalFailed", crate::rights::with_advice(why)));
        }
        Seen::Absent => None,
        Seen::Present(copy) => Some(&**copy),
    };
    if let Some(fault) = copy.and_then(|copy| not_ours_to_write(seen, copy)) {
        return Verdict::fault(fault);
    }
    match pen.render(cluster, copy, &member.autoscaler) {
        Err(fault) => Verdict::fault(fault),
        // soon it is known whether an autoscaler sets the replicas
        Ok(rendered) if rendered.retained.is_some() && member.autoscaler == Autoscaler::Unread(String::new()) => Verdict::unread(),
        Ok(rendered) => {
            let retained = rendered.retained.clone();
            let mut verdict = compare(pen, copy, &rendered);
            verdict.notes.extend(retained.map(|message| Note { reason: "ReplicasRetained", message }));
            verdict.notes.extend(added(copy).map(|message| Note { reason: AUGMENTED, message }));
            verdict
        }
    }
}

/// What others added to the copy and may leave there.
fn added(copy: Option<&Copy>) -> Option<String> {
    copy?.additions.as_deref().map(|additions| format!("others added {additions}"))
}

fn not_ours_to_write(seen: &Observed, copy: &Copy) -> Option<Fault> {
    if copy.deleting {
        return Some(Fault::new(
            "WaitingForRemoval",
            "WaitingForRemoval",
            "the copy is being deleted there; it comes back when it is gone",
        ));
    }
    match &copy.holder {
        Holder::Other(owner) => Some(Fault::new("AlreadyExists", "OwnedByOther", format!("the object belongs to {owner}"))),
        Holder::Us(hold) if hold.epoch > seen.hub.epoch => {
            let message = format!("the copy was written in epoch {} and this hub is in epoch {}", hold.epoch, seen.hub.epoch);
            Some(Fault::new("UpdateFailed", "HubBehind", message))
        }
        Holder::Us(_) | Holder::Nobody => None,
    }
}

fn compare(pen: &Pen<'_>, copy: Option<&Copy>, rendered: &Rendered) -> Verdict {
    let (seen, want) = (pen.seen, pen.want);
    let replicas = object::int_at(&rendered.object, &["spec", "replicas"]).or(copy.and_then(|c| c.replicas));
    let hold = copy.and_then(own_hold);
    let same_owner = hold.is_some_and(|h| h.owner_uid == *object::uid(&seen.object) && h.epoch == seen.hub.epoch);
    if same_owner && copy.is_some_and(|c| c.is_as_applied(rendered.content)) {
        return Verdict { in_sync: true, replicas, ..Verdict::default() };
    }
    // the mark of an unchanged content stays as it is, so that an edit elsewhere writes nothing here
    let generation =
        hold.filter(|h| same_owner && h.content == rendered.content).map_or(object::generation(&seen.object), |h| h.generation);
    let apply = Apply {
        object: pen.mark(rendered, generation, |object| content_mark(seen, generation, rendered.content).put_on(object)),
        content: rendered.content,
        // without a mark of ours it has to be looked at before it is written
        uid: copy.filter(|c| own_hold(c).is_some()).map(|c| c.uid.to_string()),
        adopt: want.adopt,
        namespace: pen.namespace(|| implicit_namespace(seen)),
        keep_additions: want.keep_additions,
    };
    // made by an earlier process of this hub from the same content: nothing is said until it has been compared
    let unread = same_owner && hold.is_some_and(|h| h.content == rendered.content) && copy.is_some_and(|c| c.applied.is_none());
    Verdict { job: Some(Job::Apply(Box::new(apply))), urgency: Some(urgency(seen)), replicas, unread, ..Verdict::default() }
}

fn own_hold(copy: &Copy) -> Option<&Hold> {
    match &copy.holder {
        Holder::Us(hold) => Some(hold),
        _ => None,
    }
}

fn content_mark(seen: &Observed, generation: i64, content: u64) -> comity_core::marks::OwnerMark {
    let target = &seen.kind.target;
    let (namespace, name) = (object::namespace(&seen.object), object::name(&seen.object));
    let (copy_namespace, copy_name) = seen.kind.copy_name(namespace, name);
    comity_core::marks::OwnerMark {
        domain: target.domain.to_owned(),
        hub: seen.hub.id.to_string(),
        epoch: seen.hub.epoch,
        owner_kind: target.owner_kind.clone(),
        owner_namespace: namespace.to_owned(),
        owner_name: name.to_owned(),
        owner_uid: object::uid(&seen.object).to_owned(),
        generation,
        content: format!("{content:016x}"),
        kind: target.gvk.group_kind().to_string(),
        name: object_name(copy_namespace, copy_name),
    }
}

/// The namespace that the copy needs, where nobody federates it by a FederatedNamespace.
fn implicit_namespace(seen: &Observed) -> Option<comity_core::Value> {
    let NamespaceSeen::Implicit(hub_labels) = &seen.namespace else { return None };
    let mut all = hub_labels.clone();
    // the hub's own name label, and a management mark that the hub's namespace may carry, are not its
    all.remove(labels::NAMESPACE_NAME);
    all.remove(labels::KUBEFED_MANAGED);
    all.insert(labels::HUB.to_owned(), seen.hub.id.to_string());
    Some(comity_core::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": object::namespace(&seen.object), "labels": all},
    }))
}
