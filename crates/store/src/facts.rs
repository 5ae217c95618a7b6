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
    /// Selectable fields beyond name and namespace.
    pub fields: Fields,
}

/// Paths and their values. Most values are of one object alone, so they are one text instead of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    paths: &'static [&'static str],
    /// In the order of the paths, each with a zero byte behind it.
    values: Box<str>,
}

impl Fields {
    /// The value of each path.
    pub fn of(paths: &'static [&'static str], value: impl Fn(&str) -> String) -> Fields {
        let mut values = String::new();
        for path in paths {
            values.push_str(&value(path).replace('\0', "\u{fffd}"));
            values.push('\0');
        }
        Fields { paths, values: values.into() }
    }

    fn get(&self, path: &str) -> Option<&str> {
        let at = self.paths.iter().position(|known| *known == path)?;
        self.values.split('\0').nth(at)
    }
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
        Facts { uid: object::uid(value).into(), labels: labels.into(), owners, fields: Fields::default() }
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
    pub fn with_fields(self, fields: Fields) -> Facts {
        Facts { fields, ..self }
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        self.labels.get(at).map(|(_, value)| value.as_ref())
    }

    /// A selectable field's value.
    pub fn field(&self, path: &str) -> Option<&str> {
        self.fields.get(path)
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
        .with_fields(Fields::of(&["spec.hostName", "spec.nodeName"], |path| {
            if path == "spec.nodeName" { "n1".into() } else { "\0".into() }
        }));
        assert_eq!(&*facts.uid, "u");
        assert_eq!((facts.label("a"), facts.label("b"), facts.label("c")), (Some("1"), Some("2"), None));
        assert_eq!(facts.owners.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["o"]);
        assert_eq!((facts.field("spec.nodeName"), facts.field("spec.x")), (Some("n1"), None));
        assert_eq!(facts.field("spec.hostName"), Some("\u{fffd}"));
    }

    #[test]
    fn an_object_without_metadata_has_empty_facts() {
        let facts = Facts::of_metadata(&json!({}));
        assert!(facts.uid.is_empty() && facts.labels.is_empty() && facts.owners.is_empty());
    }
}
