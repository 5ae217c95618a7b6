//! The objects of a cache, by namespace and name.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use comity_core::{Value, object};
use parking_lot::RwLock;

use super::{CacheEvent, reflector::Known};
use crate::compact::Compact;

type ByName = BTreeMap<String, Kept>;

#[derive(Default)]
pub(crate) struct Objects(RwLock<BTreeMap<String, ByName>>);

/// One object as it is kept.
#[derive(Clone)]
pub(crate) struct Kept {
    uid: Compact,
    version: Compact,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Whole(Arc<Value>),
    /// JSON: a fifth of the memory, parsed at every look.
    Text(Arc<[u8]>),
}

impl Kept {
    /// Keeps an object whole, or as text.
    pub(crate) fn of(object: Value, packed: bool) -> Self {
        let (uid, version) = (object::uid(&object).into(), object::resource_version(&object).into());
        let text = if packed { serde_json::to_vec(&object).ok() } else { None };
        let body = text.map_or_else(|| Body::Whole(Arc::new(object)), |text| Body::Text(text.into()));
        Self { uid, version, body }
    }

    /// The object.
    pub(crate) fn object(&self) -> Arc<Value> {
        match &self.body {
            Body::Whole(object) => object.clone(),
            // what was written by the same library can be read by it
            Body::Text(text) => Arc::new(serde_json::from_slice(text).unwrap_or_default()),
        }
    }
}

/// An object on its way into a cache.
pub(crate) struct Incoming {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) kept: Kept,
}

impl Incoming {
    pub(crate) fn of(object: Value, packed: bool) -> Self {
        let (namespace, name) = (object::namespace(&object).to_owned(), object::name(&object).to_owned());
        Self { namespace, name, kept: Kept::of(object, packed) }
    }
}

impl Objects {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let kept = self.0.read().get(namespace)?.get(name).cloned()?;
        Some(kept.object())
    }

    pub(crate) fn list(&self) -> Vec<Arc<Value>> {
        let all: Vec<Kept> = self.0.read().values().flat_map(BTreeMap::values).cloned().collect();
        all.iter().map(Kept::object).collect()
    }

    pub(crate) fn names(&self) -> Vec<(String, String)> {
        let all = self.0.read();
        all.iter().flat_map(|(namespace, names)| names.keys().map(move |name| (namespace.clone(), name.clone()))).collect()
    }

    pub(crate) fn list_namespace(&self, namespace: &str) -> Vec<Arc<Value>> {
        let names: Vec<Kept> = self.0.read().get(namespace).map(|names| names.values().cloned().collect()).unwrap_or_default();
        names.iter().map(Kept::object).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().values().map(BTreeMap::len).sum()
    }

    /// Takes one object in; no event when this state is known. A new uid under the old name is a deletion and a creation.
    pub(crate) fn put(&self, new: Incoming, events: &mut Vec<CacheEvent>) {
        let Incoming { namespace, name, kept } = new;
        let old = self.0.write().entry(namespace).or_default().insert(name, kept.clone());
        match old {
            Some(old) if old.uid != kept.uid => {
                events.push(CacheEvent::Deleted(old.object()));
                events.push(CacheEvent::Applied { old: None, new: kept.object() });
            }
            Some(old) if old.version == kept.version => {}
            old => events.push(CacheEvent::Applied { old: old.as_ref().map(Kept::object), new: kept.object() }),
        }
    }

    /// Takes one object out; `last` is its final state.
    pub(crate) fn remove(&self, last: Value, events: &mut Vec<CacheEvent>) {
        let mut all = self.0.write();
        let Some(names) = all.get_mut(object::namespace(&last)) else { return };
        if names.remove(object::name(&last)).is_some() {
            if names.is_empty() {
                all.remove(object::namespace(&last));
            }
            events.push(CacheEvent::Deleted(Arc::new(last)));
        }
    }

    /// What is held and not in a list.
    pub(crate) fn missing(&self, list: &[Incoming]) -> Vec<Known> {
        let listed: HashSet<(&str, &str)> = list.iter().map(|new| (new.namespace.as_str(), new.name.as_str())).collect();
        let all = self.0.read();
        let held = all.iter().flat_map(|(namespace, names)| names.iter().map(move |(name, kept)| (namespace, name, kept)));
        held.filter(|(namespace, name, _)| !listed.contains(&(namespace.as_str(), name.as_str())))
            .map(|(namespace, name, kept)| Known { namespace: namespace.clone(), name: name.clone(), uid: kept.uid.to_string() })
            .collect()
    }

    /// Takes a whole list in: what it does not name is gone. Events are told one by one: together they would be the list once more.
    pub(crate) fn replace(&self, list: Vec<Incoming>, tell: &mut dyn FnMut(&CacheEvent)) {
        let listed: HashSet<(&str, &str)> = list.iter().map(|new| (new.namespace.as_str(), new.name.as_str())).collect();
        let mut gone = Vec::new();
        {
            let mut all = self.0.write();
            for (namespace, names) in all.iter_mut() {
                names.retain(|name, old| {
                    let stays = listed.contains(&(namespace.as_str(), name.as_str()));
                    if !stays {
                        gone.push(old.clone());
                    }
                    stays
                });
            }
            all.retain(|_, names| !names.is_empty());
        }
        drop(listed);
        gone.iter().for_each(|old| tell(&CacheEvent::Deleted(old.object())));
        let mut events = Vec::new();
        for new in list {
            self.put(new, &mut events);
            events.drain(..).for_each(|event| tell(&event));
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn an_object_kept_as_text_reads_back_as_it_was_and_is_news_only_once() {
        let object =
            json!({"metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "5"}, "data": {"z": "1", "a": "\u{e9}"}});
        let (objects, mut events) = (Objects::default(), Vec::new());
        objects.put(Incoming::of(object.clone(), true), &mut events);
        objects.put(Incoming::of(object.clone(), true), &mut events);
        assert!(matches!(&events[..], [CacheEvent::Applied { old: None, new }] if **new == object));
        assert_eq!(*objects.get("ns", "n").unwrap(), object);
        assert_eq!(objects.names(), [("ns".to_owned(), "n".to_owned())]);
    }
}
