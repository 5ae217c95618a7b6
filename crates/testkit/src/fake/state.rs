//! The objects, their revisions and the history that watches read.

use std::{collections::BTreeMap, sync::Arc};

use comity_core::{GroupVersionResource, Value, object};

use super::{Written, kinds::Kinds};

/// Where an object is: versions of one resource share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub group: String,
    pub resource: String,
    pub namespace: String,
    pub name: String,
}

impl Place {
    pub fn of(gvr: &GroupVersionResource, namespace: &str, name: &str) -> Self {
        Self { group: gvr.group.clone(), resource: gvr.resource.clone(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub fn is_of(&self, gvr: &GroupVersionResource, namespace: Option<&str>) -> bool {
        self.group == gvr.group && self.resource == gvr.resource && namespace.is_none_or(|namespace| self.namespace == namespace)
    }
}

/// One step of the history.
#[derive(Clone)]
pub(super) struct Change {
    pub revision: u64,
    pub place: Place,
    pub before: Option<Arc<Value>>,
    /// `None`: it is gone; the last state is in `last`.
    pub after: Option<Arc<Value>>,
    pub last: Arc<Value>,
}

#[derive(Clone)]
pub(super) struct State {
    name: String,
    pub revision: u64,
    uids: u64,
    pub kinds: Kinds,
    objects: BTreeMap<Place, Arc<Value>>,
    history: Vec<Change>,
    /// Changes up to this revision are no longer kept.
    forgotten: u64,
    pub written: Vec<Written>,
}

impl State {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            revision: 1,
            uids: 0,
            kinds: Kinds::default(),
            objects: BTreeMap::new(),
            history: Vec::new(),
            forgotten: 0,
            written: Vec::new(),
        }
    }

    /// A new uid, which looks like one.
    pub fn uid(&mut self) -> String {
        self.uids += 1;
        let name = self.name.bytes().fold(17_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
        format!("{name:08x}-0000-4000-8000-{:012x}", self.uids)
    }

    pub fn get(&self, place: &Place) -> Option<Arc<Value>> {
        self.objects.get(place).cloned()
    }

    pub fn list(&self, gvr: &GroupVersionResource, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.objects.iter().filter(|(place, _)| place.is_of(gvr, namespace)).map(|(_, object)| object.clone()).collect()
    }

    /// Places of everything in a namespace.
    pub fn within(&self, namespace: &str) -> Vec<Place> {
        self.objects.keys().filter(|place| place.namespace == namespace).cloned().collect()
    }

    /// Stores an object under a new revision.
    pub fn put(&mut self, place: &Place, mut new: Value) -> Arc<Value> {
        self.revision += 1;
        object::set(&mut new, &["metadata", "resourceVersion"], self.revision.to_string().into());
        if place.resource == "customresourcedefinitions" {
            self.kinds.define(&new);
        }
        let new = Arc::new(new);
        let before = self.objects.insert(place.clone(), new.clone());
        self.history.push(Change { revision: self.revision, place: place.clone(), before, after: Some(new.clone()), last: new.clone() });
        new
    }

    /// Takes an object away; its last state carries the revision of that.
    pub fn remove(&mut self, place: &Place) {
        let Some(before) = self.objects.remove(place) else { return };
        self.revision += 1;
        let mut last = Value::clone(&before);
        object::set(&mut last, &["metadata", "resourceVersion"], self.revision.to_string().into());
        let change = Change { revision: self.revision, place: place.clone(), before: Some(before), after: None, last: Arc::new(last) };
        self.history.push(change);
    }

    /// What came after a revision; `None` when that is no longer kept.
    pub fn since(&self, revision: u64) -> Option<&[Change]> {
        let begin = self.history.partition_point(|change| change.revision <= revision);
        if revision < self.forgotten { None } else { self.history.get(begin..) }
    }

    pub fn forget_history(&mut self) {
        self.history.clear();
        self.forgotten = self.revision;
    }
}
