//! The address of an object and the order of names.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The longest a key's three parts may be together.
const MAX_LENGTH: usize = 4096;

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// `pods`, or `apps/deployments` for a resource of a group.
    pub resource: Arc<str>,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// A key of its three parts.
    pub fn new(resource: impl Into<Arc<str>>, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Key {
        Key { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }

    /// Why the key cannot be stored, if it cannot.
    pub(crate) fn problem(&self) -> Option<String> {
        let parts = [&self.resource, &self.namespace, &self.name];
        if self.resource.is_empty() || self.name.is_empty() {
            return Some(format!("key {self:?} needs a resource and a name"));
        }
        if parts.iter().any(|part| part.contains('\0')) {
            return Some(format!("key {self:?} contains a zero byte"));
        }
        let length: usize = parts.iter().map(|part| part.len()).sum();
        (length > MAX_LENGTH).then(|| format!("a key of {length} bytes is longer than {MAX_LENGTH}"))
    }

    pub(crate) fn place(&self) -> Place {
        Place { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.resource, self.place().relative())
    }
}

/// Namespace and name within one resource, ordered as the bytes of `namespace/name`: the order of lists and of
/// continue tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl Place {
    /// `namespace/name`, or the name alone.
    pub fn relative(&self) -> String {
        if self.namespace.is_empty() { self.name.to_string() } else { format!("{}/{}", self.namespace, self.name) }
    }

    /// The place a relative key stands for.
    pub fn of_relative(relative: &str) -> Place {
        let (namespace, name) = relative.split_once('/').unwrap_or(("", relative));
        Place { namespace: namespace.into(), name: name.into() }
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        let slash = if self.namespace.is_empty() { None } else { Some(b'/') };
        self.namespace.bytes().chain(slash).chain(self.name.bytes())
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        if self.namespace == other.namespace {
            return self.name.as_bytes().cmp(other.name.as_bytes());
        }
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_as_their_relative_keys_do() {
        let texts = ["a", "a-b/x", "a/x", "a/x\0", "a/y", "a0/x", "b/a"];
        let mut places: Vec<Place> = texts.iter().rev().map(|text| Place::of_relative(text)).collect();
        places.sort();
        assert_eq!(places.iter().map(Place::relative).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn keys_that_cannot_be_stored_say_why() {
        assert!(Key::new("pods", "a", "x").problem().is_none());
        assert!(Key::new("pods", "a", "").problem().is_some());
        assert!(Key::new("pods", "a", "x\0y").problem().is_some());
        assert!(Key::new("pods", "a", "x".repeat(5000)).problem().is_some());
    }
}
