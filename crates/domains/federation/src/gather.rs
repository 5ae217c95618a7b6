//! Reads caches; decides nothing.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use comity_api_kubefed::{cluster, federated::Placement, keys};
use comity_core::{Value, object};
use comity_fleet::Member;
use comity_lane::{Attempt, Seen, Standing};
use comity_runtime::Cause;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    autoscalers,
    domain::Federation,
    model::{FederatedType, MemberSeen, NamespaceSeen, Observed, Progress},
    status,
    types::Running,
    words,
};

/// Everything that is known about one federated object.
pub fn observe(federation: &Federation, running: &Running, object: Arc<Value>, deleted_by: Cause) -> Observed {
    let namespace = object::namespace(&object);
    let settings = federation.fleet.settings().borrow().clone();
    let members = members(federation, running, &object);
    let hub_namespace = federation.namespaces.get("", namespace);
    Observed {
        hub: federation.hub_mark.clone(),
        kind: running.kind.clone(),
        members,
        namespace: namespace_seen(federation, running, &object, hub_namespace.as_deref()),
        hub_namespace_uid: hub_namespace.as_deref().map(|n| object::uid(n).to_owned()).unwrap_or_default(),
        adopt_by_default: settings.adopt_resources,
        deleted_by,
        defer_after: settings.defer_after,
        object,
    }
}

/// The members that the object concerns, those that its status names included: no list proves that they have no copy.
/// Of an object on its way out whose status tells of nobody, or not of the last edit, that may be any.
fn members(federation: &Federation, running: &Running, object: &Value) -> BTreeMap<String, MemberSeen> {
    let (namespace, name) = (object::namespace(object), object::name(object));
    let all = federation.fleet.members();
    let mut names = running.owners.members_of(object, &federation.fleet);
    let told: HashSet<&str> = status::told(object).collect();
    for cluster in told.iter().filter(|cluster| all.contains_key(**cluster)) {
        if !names.contains(*cluster) {
            running.owners.may_hold(namespace, name, cluster);
            names.insert(Arc::from(*cluster));
        }
    }
    if object::is_deleting(object) && (told.is_empty() || status::is_behind_an_edit(object)) {
        names.extend(all.values().map(|member| member.name.clone()));
    }
    let mut seen = BTreeMap::new();
    for cluster in names {
        let Some(member) = all.get(&*cluster) else { continue };
        let facts = self::member(member, &running.kind, namespace, name);
        let nothing = |facts: &MemberSeen| has_nothing(facts) && (facts.gone || !told.contains(&*cluster));
        if nothing(&facts) {
            running.owners.holds_not(namespace, name, &cluster, || nothing(&self::member(member, &running.kind, namespace, name)));
        }
        seen.insert(cluster.to_string(), facts);
    }
    seen
}

fn has_nothing(member: &MemberSeen) -> bool {
    member.copy == Seen::Absent && member.progress == Progress::Idle
}

/// Forgets who held copies of an object that is gone, and does not any more.
pub fn forget(federation: &Federation, running: &Running, namespace: &str, name: &str) {
    for cluster in running.owners.holders(namespace, name) {
        let gone = || {
            let member = federation.fleet.member(&cluster);
            member.is_none_or(|member| has_nothing(&self::member(&member, &running.kind, namespace, name)))
        };
        if gone() {
            running.owners.holds_not(namespace, name, &cluster, gone);
        }
    }
}

fn member(member: &Arc<Member>, kind: &FederatedType, namespace: &str, name: &str) -> MemberSeen {
    let (namespace, name) = kind.copy_name(namespace, name);
    let copies = member.copies(&kind.target.owner_kind);
    MemberSeen {
        labels: member.labels(),
        health: member.health(),
        silent_for: member.silent_for(Timestamp::now()),
        copy: copies.as_ref().map_or(Seen::Unknown(String::new()), |copies| copies.see(namespace, name)),
        gone: copies.as_ref().is_some_and(|copies| copies.is_gone(namespace, name)),
        behind: copies.as_ref().and_then(|copies| copies.behind()),
        autoscaler: autoscalers::of(member, kind, namespace, name),
        closed: match member.lane.standing() {
            Standing::Closed(closed) => Some(closed),
            Standing::Checking | Standing::Open => None,
        },
        progress: copies.and_then(|copies| member.lane.attempt(&copies, namespace, name)).map_or(Progress::Idle, progress),
    }
}

fn progress(attempt: Attempt) -> Progress {
    let now = Instant::now();
    match attempt {
        Attempt::Pending { fingerprint, since } => Progress::Pending { fingerprint, since: now.saturating_duration_since(since) },
        Attempt::Failed { fingerprint, failure, retry_at } => {
            let retry_in: Duration = retry_at.saturating_duration_since(now);
            Progress::Failed { fingerprint, fault: words::fault(&failure), retry_in }
        }
    }
}

fn namespace_seen(federation: &Federation, running: &Running, object: &Value, hub_namespace: Option<&Value>) -> NamespaceSeen {
    if !running.kind.target.namespaced {
        return NamespaceSeen::None;
    }
    let namespace = object::namespace(object);
    let federated = federation.namespace_type().and_then(|namespaces| namespaces.cache.get(namespace, namespace));
    match federated {
        // an unreadable placement places nowhere, which is what validation says of it
        Some(federated) => {
            let placement = object::at(&federated, &["spec", "placement"]).unwrap_or(&Value::Null);
            NamespaceSeen::Federated(Placement::read(placement).unwrap_or_default())
        }
        None if object::annotation(object, keys::COMPAT) == Some("strict") => NamespaceSeen::Strict,
        None => NamespaceSeen::Implicit(hub_namespace.map(cluster::labels).unwrap_or_default()),
    }
}
