//! What the documents are made of: the recorded types with their descriptions, read from the embedded files.

use std::collections::{BTreeMap, HashMap};

use crate::{
    builtin,
    table::{TableFile, Type},
};

pub(super) const DESCRIPTIONS: &[u8] = include_bytes!("../../data/descriptions.json.zst");

pub(super) struct Source {
    pub types: BTreeMap<String, Type>,
    /// By type name, then by field; the type's own text is under the empty name.
    descriptions: BTreeMap<String, BTreeMap<String, String>>,
    /// Type names by (group, version, kind).
    kinds: HashMap<(String, String, String), String>,
}

impl Source {
    /// Unpacks the embedded files; documents without types follow if they were broken, which tests rule out.
    pub(super) fn load() -> Self {
        let types = builtin::read::<TableFile>(builtin::TABLE).unwrap_or_default().types;
        let descriptions = builtin::read(DESCRIPTIONS).unwrap_or_default();
        let kinds = types.iter().flat_map(|(name, t)| t.gvks.iter().map(|gvk| (gvk.clone(), name.clone()))).collect();
        Self { types, descriptions, kinds }
    }

    /// The description of a type, or of one of its fields.
    pub(super) fn description(&self, name: &str, field: &str) -> Option<&str> {
        self.descriptions.get(name)?.get(field).map(String::as_str)
    }

    /// The name of the type of a kind.
    pub(super) fn type_of(&self, group: &str, version: &str, kind: &str) -> Option<&str> {
        self.kinds.get(&(group.to_owned(), version.to_owned(), kind.to_owned())).map(String::as_str)
    }
}
