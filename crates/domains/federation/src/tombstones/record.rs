//! One remembered deletion, and what it says now. Pure.

use comity_core::{Value, digest::Digest};
use comity_fleet::Health;
use comity_lane::{Copy, Delete, Holder, Job, Release};
use comity_runtime::Key;
use serde::{Deserialize, Serialize};

use crate::validate;

/// A copy that goes when its member answers: its owner was deleted while the member did not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tombstone {
    /// Kind of the owner, as in marks.
    pub kind: String,
    /// Namespace of the owner.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name of the owner.
    pub name: String,
    /// The uid that the mark of a copy that was known must name.
    pub owner_uid: String,
    /// The member.
    pub cluster: String,
    /// UID of its `KubeFedCluster`.
    pub cluster_uid: String,
    /// UID of the copy, where it was known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub copy_uid: String,
    /// The copy stays and loses its marks.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub orphan: bool,
    /// KubeFed's delete options, as they were written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub delete_option: String,
    /// When the owner went.
    pub at: String,
}

/// What is to be done about a remembered deletion.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Nothing yet.
    Wait,
    /// The copy is there, and still the deleted owner's.
    Do(Job),
    /// It has nothing to say any more.
    Drop(&'static str),
}

impl Tombstone {
    /// From a record; `None` where it is none.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|t: &Self| !t.kind.is_empty() && !t.name.is_empty() && !t.cluster.is_empty())
    }

    /// The record.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The owner.
    pub fn owner(&self) -> Key {
        Key::of_kind(&self.kind, &self.namespace, &self.name)
    }

    /// The key of the record within its ConfigMap.
    pub fn entry(&self) -> String {
        let mut digest = Digest::default();
        [&self.kind, &self.namespace, &self.name, &self.cluster].into_iter().for_each(|part| digest.text(part));
        format!("{:016x}", digest.finish())
    }
}

/// The ConfigMap that holds the records of an owner: all of one owner's are written at once.
pub fn chunk(owner: &Key) -> u64 {
    let mut digest = Digest::default();
    [&owner.kind, &owner.namespace, &owner.name].into_iter().for_each(|part| digest.text(part));
    digest.finish() % super::CHUNKS
}

/// Whether the member must be asked: `Some` says what follows without asking.
pub fn before_asking(tombstone: &Tombstone, member: Option<(&str, &Health)>) -> Option<Fate> {
    match member {
        None => Some(Fate::Drop("the cluster is no longer joined")),
        Some((uid, _)) if uid != tombstone.cluster_uid => Some(Fate::Drop("the cluster was joined anew")),
        Some((_, Health::Ready)) => None,
        Some(_) => Some(Fate::Wait),
    }
}

/// What follows from the live object under the copy's name.
pub fn after_asking(tombstone: &Tombstone, epoch: u64, live: Option<&Copy>) -> Fate {
    let Some(copy) = live else { return Fate::Drop("the copy is gone") };
    let Holder::Us(hold) = &copy.holder else { return Fate::Drop("the object belongs to somebody else") };
    // what nobody had seen may be the copy of an earlier owner of this name, all of whom are gone
    let seen = !tombstone.copy_uid.is_empty();
    if seen && (hold.owner_uid != *tombstone.owner_uid.as_str() || copy.uid != *tombstone.copy_uid.as_str()) {
        return Fate::Drop("the object is another owner's copy");
    }
    // an old hub does not delete what a newer one wrote
    if copy.deleting || hold.epoch > epoch {
        return Fate::Wait;
    }
    if tombstone.orphan {
        return Fate::Do(Job::Release(Release { uid: copy.uid.to_string() }));
    }
    Fate::Do(Job::Delete(Delete {
        uid: copy.uid.to_string(),
        resource_version: copy.resource_version.to_string(),
        options: validate::delete_options(&tombstone.delete_option).unwrap_or_default(),
    }))
}

/// All records in the ConfigMaps of a hub, sorted.
pub fn read_all<'a>(maps: impl IntoIterator<Item = &'a Value>) -> Vec<Tombstone> {
    let data = maps.into_iter().filter_map(|map| map["data"].as_object());
    let mut all: Vec<Tombstone> = data.flat_map(|data| data.values()).filter_map(|text| Tombstone::read(text.as_str()?)).collect();
    all.sort_by(|a, b| (&a.kind, &a.namespace, &a.name, &a.cluster).cmp(&(&b.kind, &b.namespace, &b.name, &b.cluster)));
    all
}

#[cfg(test)]
mod tests {
    use comity_lane::copy::Hold;

    use super::*;

    fn tombstone() -> Tombstone {
        let text = r#"{"kind":"FederatedConfigMap.types.kubefed.io","namespace":"shop","name":"c","ownerUid":"owner","cluster":"cluster1","clusterUid":"k","copyUid":"copy","at":"t"}"#;
        let read = Tombstone::read(text).unwrap();
        assert_eq!(read.to_text(), text);
        read
    }

    fn live(owner: &str, uid: &str, epoch: u64) -> Copy {
        let hold = Hold { owner_uid: owner.into(), epoch, generation: 1, content: 0 };
        Copy {
            uid: uid.into(),
            resource_version: "7".into(),
            generation: 0,
            digest: 0,
            deleting: false,
            holder: Holder::Us(hold),
            replicas: None,
            replicas_held: false,
            additions: Default::default(),
            status: None,
            applied: None,
        }
    }

    fn fate(live: Option<&Copy>) -> String {
        match after_asking(&tombstone(), 1, live) {
            Fate::Wait => "wait".to_owned(),
            Fate::Do(Job::Delete(delete)) => format!("delete {} at {}", delete.uid, delete.resource_version),
            Fate::Do(other) => format!("{other:?}"),
            Fate::Drop(why) => why.to_owned(),
        }
    }

    #[test]
    fn only_the_copy_that_is_still_the_deleted_owners_goes() {
        assert_eq!(fate(Some(&live("owner", "copy", 1))), "delete copy at 7");
        assert_eq!(fate(Some(&live("created again", "copy", 1))), "the object is another owner's copy");
        assert_eq!(fate(Some(&live("owner", "made again", 1))), "the object is another owner's copy");
        assert_eq!(fate(Some(&Copy { holder: Holder::Nobody, ..live("owner", "copy", 1) })), "the object belongs to somebody else");
        assert_eq!(
            fate(Some(&Copy { holder: Holder::Other("hub x".into()), ..live("owner", "copy", 1) })),
            "the object belongs to somebody else"
        );
        assert_eq!(fate(Some(&live("owner", "copy", 2))), "wait", "a newer hub wrote it");
        assert_eq!(fate(None), "the copy is gone");
    }

    #[test]
    fn a_copy_that_nobody_had_seen_is_found_by_its_owner() {
        let mut unseen = tombstone();
        unseen.copy_uid.clear();
        assert!(matches!(after_asking(&unseen, 1, Some(&live("owner", "any", 1))), Fate::Do(Job::Delete(_))));
        assert!(matches!(after_asking(&unseen, 1, Some(&live("an earlier one", "any", 1))), Fate::Do(Job::Delete(_))));
        unseen.orphan = true;
        assert!(matches!(after_asking(&unseen, 1, Some(&live("owner", "any", 1))), Fate::Do(Job::Release(_))));
    }

    #[test]
    fn it_waits_for_its_member_and_ends_with_it() {
        let ask = |member| before_asking(&tombstone(), member);
        let silent = Health::NotReady { reason: String::new(), message: String::new() };
        assert!(ask(Some(("k", &Health::Ready))).is_none());
        assert!(matches!(ask(Some(("k", &silent))), Some(Fate::Wait)));
        assert!(matches!(ask(Some(("k", &Health::Unknown))), Some(Fate::Wait)));
        assert!(matches!(ask(None), Some(Fate::Drop(_))));
        assert!(matches!(ask(Some(("another", &Health::Ready))), Some(Fate::Drop(_))));
    }
}
