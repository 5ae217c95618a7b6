//! Who owns whom, by uid.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use comity_core::{GroupVersionResource, Value, object};

/// The finalizer of an owner that goes after its dependents.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an owner that leaves its dependents alone.
pub(super) const ORPHAN: &str = "orphan";
/// Remembered owners that do not exist.
const MEMORY: usize = 4096;

/// An object of the graph.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) gvr: Arc<GroupVersionResource>,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) owners: Vec<Owner>,
    pub(super) deleting: bool,
    /// Being deleted, and waiting for its dependents.
    pub(super) waits: bool,
    /// Being deleted, and letting its dependents go.
    pub(super) orphans: bool,
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owner {
    pub(super) uid: String,
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) blocks: bool,
}

/// What must be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// Whether an object may stay.
    Check(String),
    /// Whether the dependents of an owner have been let go.
    Orphan(String),
}

#[derive(Default)]
pub(super) struct Graph {
    nodes: HashMap<String, Node>,
    dependents: HashMap<String, HashSet<String>>,
    absent: HashSet<String>,
}

impl Graph {
    /// Takes an object's state in.
    pub(super) fn put(&mut self, gvr: &GroupVersionResource, object: &Value) -> Vec<Work> {
        let uid = object::uid(object).to_owned();
        let gvr = self.nodes.get(&uid).map_or_else(|| Arc::new(gvr.clone()), |known| known.gvr.clone());
        let node = read(gvr, object);
        let old = self.nodes.insert(uid.clone(), node.clone());
        self.absent.remove(&uid);
        let mut work = Vec::new();
        let before = old.as_ref().map(|old| old.owners.as_slice()).unwrap_or_default();
        for gone in before.iter().filter(|old| !node.owners.iter().any(|new| new.uid == old.uid)) {
            self.unlink(&gone.uid, &uid);
        }
        for owner in before.iter().filter(|owner| self.nodes.get(&owner.uid).is_some_and(|o| o.waits) && !node.owners.contains(owner)) {
            work.push(Work::Check(owner.uid.clone()));
        }
        for owner in &node.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(uid.clone());
        }
        let unsure = |owner: &Owner| self.nodes.get(&owner.uid).is_none_or(|known| known.waits);
        if before != node.owners && node.owners.iter().any(unsure) {
            work.push(Work::Check(uid.clone()));
        }
        if node.waits && !old.as_ref().is_some_and(|old| old.waits) {
            work.push(Work::Check(uid.clone()));
            work.extend(self.dependents_of(&uid).into_iter().map(Work::Check));
        }
        if node.orphans && !old.is_some_and(|old| old.orphans) {
            work.push(Work::Orphan(uid));
        }
        work
    }

    /// Takes an object out that no longer exists.
    pub(super) fn remove(&mut self, object: &Value) -> Vec<Work> {
        let uid = object::uid(object);
        let Some(node) = self.nodes.remove(uid) else { return Vec::new() };
        self.note_absent(uid);
        let mut work: Vec<Work> = self.dependents_of(uid).into_iter().map(Work::Check).collect();
        for owner in &node.owners {
            self.unlink(&owner.uid, uid);
            if self.nodes.get(&owner.uid).is_some_and(|owner| owner.waits) {
                work.push(Work::Check(owner.uid.clone()));
            }
        }
        work
    }

    /// Drops what is known of a resource that is no longer served; its objects are not taken for deleted.
    pub(super) fn forget_resource(&mut self, gvr: &GroupVersionResource) {
        let gone: Vec<(String, Vec<Owner>)> =
            self.nodes.iter().filter(|(_, node)| *node.gvr == *gvr).map(|(uid, node)| (uid.clone(), node.owners.clone())).collect();
        for (uid, owners) in gone {
            self.nodes.remove(&uid);
            for owner in owners {
                self.unlink(&owner.uid, &uid);
            }
        }
    }

    pub(super) fn get(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    pub(super) fn dependents_of(&self, uid: &str) -> Vec<String> {
        let mut dependents: Vec<String> = self.dependents.get(uid).into_iter().flatten().cloned().collect();
        dependents.sort();
        dependents
    }

    /// Dependents that an owner in the foreground must wait for.
    pub(super) fn blocking(&self, uid: &str) -> Vec<String> {
        let blocks = |dependent: &String| self.nodes.get(dependent).is_some_and(|d| d.owners.iter().any(|o| o.uid == uid && o.blocks));
        self.dependents_of(uid).into_iter().filter(blocks).collect()
    }

    /// An owner that was looked for and does not exist: uids never come again.
    pub(super) fn note_absent(&mut self, uid: &str) {
        if self.absent.len() >= MEMORY {
            self.absent.clear();
        }
        self.absent.insert(uid.to_owned());
    }

    pub(super) fn is_absent(&self, uid: &str) -> bool {
        self.absent.contains(uid)
    }

    fn unlink(&mut self, owner: &str, dependent: &str) {
        if let Some(dependents) = self.dependents.get_mut(owner) {
            dependents.remove(dependent);
            if dependents.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }
}

fn read(gvr: Arc<GroupVersionResource>, object: &Value) -> Node {
    let deleting = object::is_deleting(object);
    let has = |finalizer: &str| object::finalizers(object).any(|f| f == finalizer);
    Node {
        gvr,
        namespace: object::namespace(object).to_owned(),
        name: object::name(object).to_owned(),
        owners: owners(object),
        deleting,
        waits: deleting && has(FOREGROUND),
        orphans: deleting && has(ORPHAN),
    }
}

/// The owner references of an object.
pub(super) fn owners(object: &Value) -> Vec<Owner> {
    let read = |reference: &Value| {
        let text = |key| object::str_at(reference, &[key]).to_owned();
        Owner {
            uid: text("uid"),
            api_version: text("apiVersion"),
            kind: text("kind"),
            name: text("name"),
            blocks: reference["blockOwnerDeletion"] == true,
        }
    };
    object::items_at(object, &["metadata", "ownerReferences"]).iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    /// `uid owner,owner! finalizer` where `!` blocks; a finalizer means that the object is being deleted.
    fn object(line: &str) -> Value {
        let words: Vec<&str> = line.split_whitespace().collect();
        let owners: Vec<Value> = words.get(1).filter(|w| **w != "-").map_or(Vec::new(), |list| {
            list.split(',').map(|o| json!({"uid": o.trim_end_matches('!'), "kind": "K", "blockOwnerDeletion": o.ends_with('!')})).collect()
        });
        let mut object = json!({"metadata": {"uid": words[0], "name": words[0], "ownerReferences": owners}});
        if let Some(finalizer) = words.get(2) {
            object["metadata"]["finalizers"] = json!([finalizer]);
            object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        object
    }

    fn play(lines: &str) -> String {
        let mut graph = Graph::default();
        let gvr = GroupVersionResource::new("", "v1", "things");
        let mut last = Vec::new();
        for line in lines.split(';') {
            last = match line.trim().strip_prefix("gone ") {
                Some(uid) => graph.remove(&object(uid)),
                None => graph.put(&gvr, &object(line)),
            };
        }
        last.sort();
        let text = |work: Work| match work {
            Work::Check(uid) => format!("check {uid}"),
            Work::Orphan(uid) => format!("orphan {uid}"),
        };
        last.into_iter().map(text).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn changes_ask_for_exactly_what_they_may_affect() {
        let cases = [
            ("a -", ""),
            ("a -; b a", ""),
            ("b a", "check b"),
            ("a -; b a; b a", ""),
            ("a -; b a; c a; gone a", "check b, check c"),
            ("a -; b a,x; gone a", "check b"),
            ("a -; b a!; a - foregroundDeletion", "check a, check b"),
            ("a -; b a!; a - foregroundDeletion; gone b", "check a"),
            ("a -; b a!; a - foregroundDeletion; b -", "check a"),
            ("a -; b a!; a - foregroundDeletion; b a", "check a, check b"),
            ("a -; b a; a - orphan", "orphan a"),
            ("a -; b a; gone b", ""),
        ];
        for (lines, expected) in cases {
            assert_eq!(play(lines), expected, "{lines}");
        }
    }

    #[test]
    fn only_blocking_dependents_hold_an_owner() {
        let mut graph = Graph::default();
        let gvr = GroupVersionResource::new("", "v1", "things");
        for line in ["a -", "b a!", "c a"] {
            graph.put(&gvr, &object(line));
        }
        assert_eq!(graph.blocking("a"), ["b"]);
        graph.forget_resource(&gvr);
        assert!(graph.dependents_of("a").is_empty() && graph.get("a").is_none());
    }
}
