//! Ownership marks on copies in members: the same format for every domain.
//!
//! A copy carries the label `comity.dev/hub: <hub id>`, so that one selector finds every copy, and the annotation
//! `comity.dev/owner` with the fields of [`OwnerMark`]. A mark that does not name its own object is void: somebody
//! copied or restored the object.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{kinds::GroupKind, labels, object};

/// Who owns a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerMark {
    /// Domain, such as `federation`.
    pub domain: String,
    /// The hub's id.
    pub hub: String,
    /// Grows whenever the hub is restored, migrated or recovered.
    pub epoch: u64,
    /// Kind of the owner on the hub, as `FederatedDeployment.types.kubefed.io`.
    pub owner_kind: String,
    /// Namespace of the owner, empty for cluster-scoped owners.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner_namespace: String,
    /// Name of the owner.
    pub owner_name: String,
    /// UID of the owner.
    pub owner_uid: String,
    /// The owner's `metadata.generation` that the copy was made from.
    pub generation: i64,
    /// Digest of what the copy was told to say, marks not counted; empty where a domain does not compare.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// The copy's own kind, as `Deployment.apps`.
    pub kind: String,
    /// The copy's own name, as `namespace/name`, or `name` for cluster-scoped copies.
    pub name: String,
}

/// What the mark on an object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    /// Nobody of ours.
    Unmarked,
    /// A mark that is unreadable or names another object: it counts as none.
    Void,
    /// A valid mark.
    Owned(Box<OwnerMark>),
}

/// `namespace/name`, or `name` without a namespace.
pub fn object_name(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

impl OwnerMark {
    /// The annotation's text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Puts the label and the annotation on a copy.
    pub fn put_on(&self, copy: &mut Value) {
        object::set(copy, &["metadata", "labels", labels::HUB], self.hub.clone().into());
        object::set(copy, &["metadata", "annotations", labels::OWNER], self.to_text().into());
    }
}

/// Reads the mark of an object in a member.
pub fn read(copy: &Value) -> Marked {
    let Some(text) = object::annotation(copy, labels::OWNER) else { return Marked::Unmarked };
    let Ok(mark) = serde_json::from_str::<OwnerMark>(text) else { return Marked::Void };
    let gvk = object::gvk(copy);
    let own_kind = GroupKind { group: gvk.group, kind: gvk.kind }.to_string();
    let own_name = object_name(object::namespace(copy), object::name(copy));
    if mark.kind == own_kind && mark.name == own_name { Marked::Owned(Box::new(mark)) } else { Marked::Void }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mark() -> OwnerMark {
        OwnerMark {
            domain: "federation".to_owned(),
            hub: "h".to_owned(),
            epoch: 1,
            owner_kind: "FederatedDeployment.types.kubefed.io".to_owned(),
            owner_namespace: "production".to_owned(),
            owner_name: "web".to_owned(),
            owner_uid: "u".to_owned(),
            generation: 2,
            content: String::new(),
            kind: "Deployment.apps".to_owned(),
            name: "production/web".to_owned(),
        }
    }

    #[test]
    fn a_mark_is_read_back() {
        let mut copy = json!({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"production"}});
        assert_eq!(read(&copy), Marked::Unmarked);
        mark().put_on(&mut copy);
        assert_eq!(read(&copy), Marked::Owned(Box::new(mark())));
        assert_eq!(object::label(&copy, labels::HUB), Some("h"));
    }

    #[test]
    fn a_copied_object_does_not_keep_its_mark() {
        let mut copy = json!({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"other","namespace":"production"}});
        mark().put_on(&mut copy);
        assert_eq!(read(&copy), Marked::Void);
    }
}
