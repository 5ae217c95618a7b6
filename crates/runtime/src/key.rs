//! What a controller works on at a time.

use std::{fmt, sync::Arc};

use comity_core::{Value, object};

/// The name of one piece of work: an object, and its kind where a controller serves several.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Tells the kinds of one controller apart; empty where there is only one.
    pub kind: Arc<str>,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Key {
    /// A key of a controller with one kind.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self::of_kind("", namespace, name)
    }

    /// A key of a controller with several kinds.
    pub fn of_kind(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &Value) -> Self {
        Self::new(object::namespace(object), object::name(object))
    }
}

/// `kind/namespace/name` without the empty parts.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.kind, &self.namespace] {
            if !part.is_empty() {
                write!(f, "{part}/")?;
            }
        }
        f.write_str(&self.name)
    }
}
