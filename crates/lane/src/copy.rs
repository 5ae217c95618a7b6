//! What is remembered of one copy in a member: a compact record instead of the object.

use comity_core::{
    Value, labels,
    marks::{self, Marked, OwnerMark},
    object,
};

use crate::{
    compact::Compact,
    owned::{self, additions},
    target::Target,
};

/// The record of one copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// UID.
    pub uid: Compact,
    /// resourceVersion.
    pub resource_version: Compact,
    /// `metadata.generation`, 0 for kinds without.
    pub generation: i64,
    /// Digest of the fields that the field manager owns, with their values, and of what others added where nothing may be added.
    pub digest: u64,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Who holds it.
    pub holder: Holder,
    /// The live `spec.replicas`.
    pub replicas: Option<i64>,
    /// Another manager owns `spec.replicas`, an autoscaler for example.
    pub replicas_held: bool,
    /// What others added, in short.
    pub additions: Option<Box<str>>,
    /// The live `.status` as JSON text, where the target keeps it.
    pub status: Option<Box<str>>,
    /// The last write that succeeded, if this process made one.
    pub applied: Option<Applied>,
}

/// What the last successful write asked for and what the member made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Digest of what was asked for.
    pub content: u64,
    /// [`Copy::digest`] of the answer.
    pub digest: u64,
}

/// Who holds an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// No valid mark.
    Nobody,
    /// This hub, for the owner that has the same name and kind as the one that asks.
    Us(Hold),
    /// Another hub, domain or owner; the text says which.
    Other(Box<str>),
}

/// The parts of an own mark that decisions need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// UID of the owner that the copy was made for.
    pub owner_uid: Compact,
    /// Epoch of the hub that wrote it.
    pub epoch: u64,
    /// Generation of the owner that it was made from.
    pub generation: i64,
    /// Digest of what was asked for, 0 when not recorded.
    pub content: u64,
}

impl Copy {
    /// Reads the record from the whole object; `hub` is the own hub's id.
    pub fn read(live: &Value, target: &Target, hub: &str) -> Self {
        let found = additions::additions(live, target.manager);
        let status = live.get("status").filter(|_| target.keeps_status).map(|s| s.to_string().into_boxed_str());
        Self {
            uid: object::uid(live).into(),
            resource_version: object::resource_version(live).into(),
            generation: object::generation(live),
            digest: owned::digest_with(live, target.manager, &found, additions::exclusive_places(&target.gvk)),
            deleting: object::is_deleting(live),
            holder: holder(live, target, hub),
            replicas: object::int_at(live, &["spec", "replicas"]),
            replicas_held: owned::held_by_another(live, target.manager, &["spec", "replicas"]),
            additions: additions::summary(&found),
            status,
            applied: None,
        }
    }

    /// The resourceVersion as a number; 0 when it is none.
    pub fn revision(&self) -> u64 {
        match self.resource_version {
            Compact::Number(number) => number,
            _ => 0,
        }
    }

    /// Whether the member still holds exactly what the last write of this content made.
    pub fn is_as_applied(&self, content: u64) -> bool {
        self.applied.is_some_and(|applied| applied.content == content && applied.digest == self.digest)
    }
}

/// Who holds an object of a target's kind.
pub fn holder(live: &Value, target: &Target, hub: &str) -> Holder {
    let Marked::Owned(mark) = marks::read(live) else { return Holder::Nobody };
    if mark.hub != hub {
        return Holder::Other(format!("hub {} ({} {})", mark.hub, mark.owner_kind, owner_name(&mark)).into());
    }
    let same_owner = mark.owner_name == object::name(live)
        && (mark.owner_namespace == object::namespace(live)
            || (!target.namespaced && mark.owner_namespace == mark.owner_name)
            || mark.owner_namespace.is_empty());
    if mark.domain != target.domain || mark.owner_kind != target.owner_kind || !same_owner {
        return Holder::Other(format!("{} {:?}", mark.owner_kind, owner_name(&mark)).into());
    }
    let content = u64::from_str_radix(&mark.content, 16).unwrap_or(0);
    Holder::Us(Hold { owner_uid: mark.owner_uid.as_str().into(), epoch: mark.epoch, generation: mark.generation, content })
}

fn owner_name(mark: &OwnerMark) -> String {
    marks::object_name(&mark.owner_namespace, &mark.owner_name)
}

/// The value of the managed label, where it is set.
pub fn managed_label(live: &Value) -> Option<bool> {
    Some(object::label(live, labels::KUBEFED_MANAGED)? == "true")
}

#[cfg(test)]
pub(crate) mod tests {
    use comity_core::{GroupVersionKind, GroupVersionResource, json};

    use super::*;

    pub(crate) fn target() -> Target {
        Target {
            domain: "federation",
            manager: "comity-federation",
            owner_kind: "FederatedConfigMap.types.kubefed.io".to_owned(),
            gvr: GroupVersionResource::new("", "v1", "configmaps"),
            gvk: GroupVersionKind::new("", "v1", "ConfigMap"),
            namespaced: true,
            selector: "kubefed.io/managed=true".to_owned(),
            keeps_status: true,
        }
    }

    pub(crate) fn mark(hub: &str, owner_kind: &str) -> OwnerMark {
        OwnerMark {
            domain: "federation".to_owned(),
            hub: hub.to_owned(),
            epoch: 3,
            owner_kind: owner_kind.to_owned(),
            owner_namespace: "ns".to_owned(),
            owner_name: "n".to_owned(),
            owner_uid: "owner".to_owned(),
            generation: 7,
            content: "ff".to_owned(),
            kind: "ConfigMap".to_owned(),
            name: "ns/n".to_owned(),
        }
    }

    fn live(mark: Option<OwnerMark>) -> Value {
        let mut live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "5"}});
        if let Some(mark) = mark {
            mark.put_on(&mut live);
        }
        live
    }

    #[test]
    fn the_holder_is_read_from_the_mark() {
        let read = |mark| holder(&live(mark), &target(), "h");
        assert_eq!(read(None), Holder::Nobody);
        let ours = mark("h", "FederatedConfigMap.types.kubefed.io");
        assert_eq!(read(Some(ours.clone())), Holder::Us(Hold { owner_uid: "owner".into(), epoch: 3, generation: 7, content: 255 }));
        assert_eq!(
            read(Some(mark("x", "FederatedConfigMap.types.kubefed.io"))),
            Holder::Other("hub x (FederatedConfigMap.types.kubefed.io ns/n)".into())
        );
        assert_eq!(read(Some(mark("h", "FederatedFoo.example.com"))), Holder::Other("FederatedFoo.example.com \"ns/n\"".into()));
        let mut copied = ours;
        copied.name = "ns/other".to_owned();
        assert_eq!(read(Some(copied)), Holder::Nobody, "a mark of another object is void");
    }

    #[test]
    fn a_record_is_small() {
        assert!(std::mem::size_of::<Copy>() <= 216, "{}", std::mem::size_of::<Copy>());
    }
}
