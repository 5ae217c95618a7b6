//! The objects of a cache, by namespace and name.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use comity_core::{Value, object};
use parking_lot::RwLock;

use super::{CacheEvent, reflector::Known};

type ByName = BTreeMap<String, Arc<Value>>;

#[derive(Default)]
pub(crate) struct Objects(RwLock<BTreeMap<String, ByName>>);

impl Objects {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.0.read().get(namespace)?.get(name).cloned()
    }

    pub(crate) fn list(&self) -> Vec<Arc<Value>> {
        self.0.read().values().flat_map(BTreeMap::values).cloned().collect()
    }

    pub(crate) fn list_namespace(&self, namespace: &str) -> Vec<Arc<Value>> {
        self.0.read().get(namespace).map(|names| names.values().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().values().map(BTreeMap::len).sum()
    }

    /// Takes one object in; no event when this state is known. A new uid under the old name is a deletion and a creation.
    pub(crate) fn put(&self, new: Value, events: &mut Vec<CacheEvent>) {
        let new = Arc::new(new);
        let mut all = self.0.write();
        let names = all.entry(object::namespace(&new).to_owned()).or_default();
        match names.insert(object::name(&new).to_owned(), new.clone()) {
            Some(old) if object::uid(&old) != object::uid(&new) => {
                events.push(CacheEvent::Deleted(old));
                events.push(CacheEvent::Applied { old: None, new });
            }
            Some(old) if object::resource_version(&old) == object::resource_version(&new) => {}
            old => events.push(CacheEvent::Applied { old, new }),
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
    pub(crate) fn missing(&self, list: &[Value]) -> Vec<Known> {
        let listed: HashSet<(&str, &str)> = list.iter().map(|o| (object::namespace(o), object::name(o))).collect();
        let all = self.0.read();
        let held = all.iter().flat_map(|(namespace, names)| names.iter().map(move |(name, object)| (namespace, name, object)));
        held.filter(|(namespace, name, _)| !listed.contains(&(namespace.as_str(), name.as_str())))
            .map(|(namespace, name, object)| Known {
                namespace: namespace.clone(),
                name: name.clone(),
                uid: object::uid(object).to_owned(),
            })
            .collect()
    }

    /// Takes a whole list in: what it does not name is gone.
    pub(crate) fn replace(&self, list: Vec<Value>, events: &mut Vec<CacheEvent>) {
        let listed: HashSet<(String, String)> =
            list.iter().map(|o| (object::namespace(o).to_owned(), object::name(o).to_owned())).collect();
        {
            let mut all = self.0.write();
            for (namespace, names) in all.iter_mut() {
                names.retain(|name, old| {
                    let stays = listed.contains(&(namespace.clone(), name.clone()));
                    if !stays {
                        events.push(CacheEvent::Deleted(old.clone()));
                    }
                    stays
                });
            }
            all.retain(|_, names| !names.is_empty());
        }
        for object in list {
            self.put(object, events);
        }
    }
}
