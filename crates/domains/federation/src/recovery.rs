//! What a hub that lost its state, or part of it, can learn from its members. Pure.
//!
//! A copy says whose it is and from which generation it was made; what `comity-federation` owns of it is what the hub
//! asked for. From the copies of one owner follows the owner: template, placement, and what differs by cluster.

mod rebuild;

use std::collections::{BTreeMap, BTreeSet};

use comity_api_kubefed::FederatedTypeConfig;
use comity_core::{
    Value,
    marks::{self, Marked, OwnerMark},
    object,
};

use crate::model::{FederatedType, MANAGER};

pub use rebuild::{differences, rebuild};

/// A copy and its mark.
#[derive(Clone, Debug)]
pub struct Marking {
    /// The whole object.
    pub live: Value,
    /// Its valid mark.
    pub mark: OwnerMark,
}

/// Everything of one type.
#[derive(Clone, Debug)]
pub struct TypeSeen {
    /// The type.
    pub config: FederatedTypeConfig,
    /// The federated objects on the hub.
    pub owners: Vec<Value>,
    /// The objects with a mark of any hub, by member.
    pub copies: BTreeMap<String, Vec<Value>>,
}

/// An owner that can be rebuilt.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebuilt {
    /// The type's name.
    pub kind: String,
    /// `namespace/name`.
    pub name: String,
    /// The federated object.
    pub object: Value,
    /// The members that hold a copy.
    pub clusters: Vec<String>,
}

/// An owner whose copies were made from a later state of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Newer {
    /// What the copies say.
    pub rebuilt: Rebuilt,
    /// Generation on the hub.
    pub generation: i64,
    /// The highest generation that a copy names.
    pub seen: i64,
    /// `path: hub -> members`, one line each; contents of Secrets are not shown.
    pub differences: Vec<String>,
}

/// What can be recovered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The highest epoch in a mark of this hub.
    pub epoch: u64,
    /// Owners that the hub does not have.
    pub missing: Vec<Rebuilt>,
    /// Owners that are older on the hub than in members.
    pub newer: Vec<Newer>,
    /// How many copies agree with an owner on the hub.
    pub known: usize,
    /// How many copies name another hub, by its id.
    pub of_others: BTreeMap<String, usize>,
}

/// Compares the hub's objects with the members' copies.
pub fn compare(types: &[TypeSeen], hub: &str, epoch: u64) -> Found {
    let mut found = Found::default();
    for seen in types {
        let kind = FederatedType::of(&seen.config);
        let mut by_owner: BTreeMap<(String, String), BTreeMap<String, Marking>> = BTreeMap::new();
        for (cluster, copies) in &seen.copies {
            for live in copies {
                let Marked::Owned(mark) = marks::read(live) else { continue };
                if mark.hub != hub {
                    *found.of_others.entry(mark.hub).or_default() += 1;
                } else if mark.owner_kind == kind.target.owner_kind {
                    found.epoch = found.epoch.max(mark.epoch);
                    let owner = (mark.owner_namespace.clone(), mark.owner_name.clone());
                    by_owner.entry(owner).or_default().insert(cluster.clone(), Marking { live: live.clone(), mark: *mark });
                }
            }
        }
        let owners: BTreeMap<(&str, &str), &Value> = seen.owners.iter().map(|o| ((object::namespace(o), object::name(o)), o)).collect();
        for ((namespace, name), copies) in by_owner {
            let rebuilt = rebuild(&kind, &namespace, &name, &copies);
            match owners.get(&(namespace.as_str(), name.as_str())) {
                None => found.missing.push(rebuilt),
                Some(owner) => match newer(
                    owner,
                    &copies,
                    rebuilt,
                    epoch,
                    comity_core::confidential::is_confidential(&kind.target.gvk.group, &kind.target.gvk.kind),
                ) {
                    Some(newer) => found.newer.push(newer),
                    None => found.known += copies.len(),
                },
            }
        }
    }
    found
}

fn newer(owner: &Value, copies: &BTreeMap<String, Marking>, rebuilt: Rebuilt, epoch: u64, secret: bool) -> Option<Newer> {
    let generation = object::generation(owner);
    let ahead = |mark: &OwnerMark| {
        mark.epoch > epoch || (mark.epoch == epoch && (mark.owner_uid != object::uid(owner) || mark.generation > generation))
    };
    if !copies.values().any(|copy| ahead(&copy.mark)) {
        return None;
    }
    let seen = copies.values().map(|copy| copy.mark.generation).max().unwrap_or(0);
    let differences = differences(&owner["spec"]["template"], &rebuilt.object["spec"]["template"], secret);
    Some(Newer { rebuilt, generation, seen, differences })
}

/// Copies of this hub whose owners it does not have: cluster, kind and name of the copy, and the owner that it names.
pub fn orphans(types: &[TypeSeen], hub: &str) -> BTreeSet<(String, String, String)> {
    let mut orphans = BTreeSet::new();
    for seen in types {
        let kind = FederatedType::of(&seen.config);
        let owners: BTreeSet<(&str, &str)> = seen.owners.iter().map(|o| (object::namespace(o), object::name(o))).collect();
        for (cluster, copies) in &seen.copies {
            for live in copies {
                let Marked::Owned(mark) = marks::read(live) else { continue };
                let ours = mark.hub == hub && mark.owner_kind == kind.target.owner_kind;
                if ours && !owners.contains(&(mark.owner_namespace.as_str(), mark.owner_name.as_str())) {
                    let owner = format!("{} {}", mark.owner_kind, marks::object_name(&mark.owner_namespace, &mark.owner_name));
                    let copy = kind.target.describe(object::namespace(live), object::name(live));
                    orphans.insert((cluster.clone(), copy, owner));
                }
            }
        }
    }
    orphans
}

/// The part of a copy that the hub asked for.
pub fn asked_for(live: &Value) -> Value {
    comity_lane::owned::extract(live, MANAGER)
}

#[cfg(test)]
mod tests;
