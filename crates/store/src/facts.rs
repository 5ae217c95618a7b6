//! What is known about an object without parsing it again.

use std::sync::Arc;

use comity_core::{Value, object};

use crate::key::Key;

/// Derives the facts of an object. It must give the same answer for the same object.
pub type Extractor = Arc<dyn Fn(&Key, &Value) -> Facts + Send + Sync>;

/// Facts derived from an object: what selectors, indexes and the garbage collector ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// The labels, sorted by key.
    pub labels: Box<[(Arc<str>, Arc<str>)]>,
    /// The uids of the owner references.
    pub owners: Box<[Arc<str>]>,
    /// Selectable fields beyond name and namespace, as path and value.
    pub fields: Box<[(Arc<str>, Arc<str>)]>,
}

impl Facts {
    /// The facts that every object's metadata holds; no selectable fields.
    pub fn of_metadata(value: &Value) -> Facts {
        let mut labels: Vec<(Arc<str>, Arc<str>)> = object::labels(value)
            .into_iter()
            .flatten()
            .map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str().unwrap_or(""))))
            .collect();
        labels.sort();
        let owners = object::items_at(value, &["metadata", "ownerReferences"])
            .iter()
            .map(|reference| object::str_at(reference, &["uid"]))
            .filter(|uid| !uid.is_empty())
            .map(Arc::from)
            .collect();
        Facts { uid: object::uid(value).into(), labels: labels.into(), owners, fields: Box::default() }
    }

    /// The facts of a later state of the same object: what has not changed is shared.
    pub(crate) fn after(mut self, earlier: &Arc<Facts>) -> Arc<Facts> {
        if self == **earlier {
            return earlier.clone();
        }
        if self.uid == earlier.uid {
            self.uid = earlier.uid.clone();
        }
        Arc::new(self)
    }

    /// The same facts with selectable fields.
    pub fn with_fields(mut self, fields: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Facts {
        self.fields = fields.into_iter().collect();
        self
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        self.labels.get(at).map(|(_, value)| value.as_ref())
    }

    /// A selectable field's value.
    pub fn field(&self, path: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name.as_ref() == path).map(|(_, value)| value.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn metadata_gives_uid_labels_and_owners() {
        let facts = Facts::of_metadata(&json!({"metadata": {
            "uid": "u", "labels": {"b": "2", "a": "1"}, "ownerReferences": [{"uid": "o"}, {"name": "no uid"}]
        }}))
        .with_fields([("spec.nodeName".into(), "n1".into())]);
        assert_eq!(&*facts.uid, "u");
        assert_eq!((facts.label("a"), facts.label("b"), facts.label("c")), (Some("1"), Some("2"), None));
        assert_eq!(facts.owners.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["o"]);
        assert_eq!((facts.field("spec.nodeName"), facts.field("spec.x")), (Some("n1"), None));
    }

    #[test]
    fn an_object_without_metadata_has_empty_facts() {
        let facts = Facts::of_metadata(&json!({}));
        assert!(facts.uid.is_empty() && facts.labels.is_empty() && facts.owners.is_empty());
    }
}
