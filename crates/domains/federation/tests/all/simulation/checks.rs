//! What must hold.

use std::time::Duration;

use comity_core::{Value, condition, labels, marks, object};
use comity_testkit::fake::Written;
use http::Method;

use super::{
    HUB_ID, Sim,
    actions::ids,
    wishes::{Id, NAMESPACE},
};

/// A request may be on its way for so long after the wish that it follows has changed.
const UNDER_WAY: Duration = Duration::from_secs(90);

fn is_ours(object: &Value) -> bool {
    matches!(marks::read(object), marks::Marked::Owned(mark) if mark.hub == HUB_ID)
}

impl Sim {
    /// After each step: every write in a member was one that may be.
    pub fn check_writes(&mut self) {
        for cluster in self.clusters() {
            let written = self.members[&cluster].cluster.take_written();
            for write in written.iter().filter(|w| w.manager.is_empty() || w.manager == "comity-federation") {
                self.outcome.requests += 1;
                if let Some(id) = Id::of(&write.gvr, &write.name).filter(|_| write.namespace == NAMESPACE) {
                    self.check_write(&cluster, &id, write);
                }
            }
        }
        self.note_left_behind();
    }

    fn check_write(&mut self, cluster: &str, id: &Id, write: &Written) {
        let what = format!("{} of {id:?} in {cluster}: {:#?}", write.method, write);
        if let Some(before) = write.before.as_deref().filter(|_| write.changed()) {
            let foreign = self.wishes.foreign.contains(&(cluster.to_owned(), id.clone()));
            assert!(!foreign && !matches!(object::label(before, labels::HUB), Some(hub) if hub != HUB_ID), "a foreign object: {what}");
        }
        if write.method == Method::DELETE {
            let has = |key| !object::str_at(&write.body, &["preconditions", key]).is_empty();
            assert!(has("uid") && has("resourceVersion"), "a delete without preconditions: {what}");
            if write.code != 200 {
                return;
            }
            self.outcome.deletions += 1;
            assert!(write.before.as_deref().is_some_and(is_ours), "a delete of what is not ours: {what}");
            let last = self.wishes.last_unwanted(cluster, id);
            let recently = last.is_some_and(|at| write.at.saturating_duration_since(at) < UNDER_WAY);
            assert!(recently, "what is wanted was deleted: {what}");
            return;
        }
        let releases = object::at(&write.body, &["metadata", "annotations", labels::OWNER]).is_some_and(Value::is_null);
        assert!(releases || is_ours(&write.body), "a write without a mark: {what}");
    }

    /// Copies in members that are not joined when their owner is gone stay.
    fn note_left_behind(&mut self) {
        for cluster in self.clusters() {
            for id in ids() {
                let joined = self.wishes.joined.contains_key(&cluster);
                if !joined && self.members[&cluster].cluster.get(&id.copies(), NAMESPACE, &id.name).is_some() {
                    self.left_behind.insert((cluster.clone(), id));
                }
            }
        }
    }

    /// At the end: every copy is where it should be, says what it should, and the status says so.
    pub fn check_everything_is_as_wished(&self) {
        for cluster in self.clusters() {
            for id in ids() {
                self.check_copy(&cluster, &id);
            }
        }
        for id in ids() {
            self.check_status(&id);
        }
    }

    fn check_copy(&self, cluster: &str, id: &Id) {
        let copy = self.members[cluster].cluster.get(&id.copies(), NAMESPACE, &id.name);
        let place = (cluster.to_owned(), id.clone());
        if self.wishes.foreign.contains(&place) {
            let copy = copy.unwrap_or_else(|| panic!("the foreign {id:?} in {cluster} is gone"));
            assert_eq!(copy["data"]["k"], "theirs", "the foreign {id:?} in {cluster} was changed");
            return;
        }
        match (self.wishes.wanted(cluster, id), copy) {
            (true, None) => panic!("{id:?} is missing in {cluster}: {}", self.status_of(id)),
            (true, Some(copy)) => {
                let text = self.wishes.all[id].text_in(cluster);
                assert_eq!(copy["data"]["k"], text, "{id:?} in {cluster}: {}", self.status_of(id));
                assert!(is_ours(&copy), "{id:?} in {cluster} has no mark: {copy}");
            }
            (false, Some(copy)) => {
                let orphan = !self.wishes.all.contains_key(id) && self.left_behind.contains(&place);
                assert!(orphan || !is_ours(&copy), "{id:?} in {cluster} is wanted no more: {copy}; {}", self.status_of(id));
            }
            (false, None) => {}
        }
    }

    fn status_of(&self, id: &Id) -> String {
        self.hub.get(&id.owners(), NAMESPACE, &id.name).map_or("no owner".to_owned(), |o| format!("{:#}", o["status"]))
    }

    fn check_status(&self, id: &Id) {
        let owner = self.hub.get(&id.owners(), NAMESPACE, &id.name);
        let Some(wish) = self.wishes.all.get(id) else {
            assert!(owner.is_none(), "{id:?} was deleted and is still there: {owner:#?}");
            return;
        };
        let owner = owner.unwrap_or_else(|| panic!("{id:?} {wish:?} is gone from the hub"));
        assert_eq!(object::int_at(&owner, &["status", "observedGeneration"]), Some(object::generation(&owner)), "{id:?}: {owner:#}");
        let mut sound = true;
        for cluster in self.clusters() {
            let entry = object::items_at(&owner, &["status", "clusters"]).iter().find(|e| e["name"] == cluster.as_str());
            if !self.wishes.wanted(&cluster, id) {
                assert!(entry.is_none(), "{id:?} in {cluster} is reported though it is not placed there: {}", self.status_of(id));
                continue;
            }
            let status = entry.map(|e| object::str_at(e, &["status"])).unwrap_or("no entry");
            let foreign = self.wishes.foreign.contains(&(cluster.clone(), id.clone()));
            assert_eq!(status, if foreign { "AlreadyExists" } else { "" }, "{id:?} in {cluster}: {}", self.status_of(id));
            sound &= !foreign;
        }
        assert_eq!(condition::is_true(&owner, "Propagation"), sound, "{id:?}: {}", self.status_of(id));
    }

    /// An hour later nothing was written.
    pub async fn check_quiet(&mut self) {
        self.hub.take_written();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        for cluster in self.clusters() {
            for write in self.members[&cluster].cluster.take_written() {
                let copy = Id::of(&write.gvr, &write.name).is_some() && write.namespace == NAMESPACE;
                assert!(!copy, "written in {cluster} though nothing happened: {write:#?}");
            }
        }
        for write in self.hub.take_written() {
            assert_ne!(write.gvr.group, "types.kubefed.io", "written on the hub though nothing happened: {write:#?}");
        }
    }
}
