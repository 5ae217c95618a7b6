//! Objects of a cache by something else than their name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use comity_core::{GroupVersionResource, Value, object};
use comity_runtime::lane::CacheEvent;
use parking_lot::RwLock;

use super::informers::Informers;

type Keyed = HashMap<String, BTreeMap<(String, String), Arc<Value>>>;

/// An index that follows a cache. Make it before the listeners that read it.
pub(crate) struct Index {
    key: fn(&Value) -> Option<String>,
    keyed: RwLock<Keyed>,
}

impl Index {
    pub(crate) fn follow(informers: &Informers, gvr: &GroupVersionResource, key: fn(&Value) -> Option<String>) -> Arc<Self> {
        let index = Arc::new(Self { key, keyed: RwLock::default() });
        let told = index.clone();
        informers.on(gvr, move |event| told.take(event));
        index
    }

    /// The objects under a key, by namespace and name.
    pub(crate) fn get(&self, key: &str) -> Vec<Arc<Value>> {
        self.keyed.read().get(key).map(|objects| objects.values().cloned().collect()).unwrap_or_default()
    }

    fn take(&self, event: &CacheEvent) {
        match event {
            CacheEvent::Applied { old, new } => {
                let mut keyed = self.keyed.write();
                if let Some(old) = old {
                    take_out(&mut keyed, (self.key)(old), old);
                }
                if let Some(key) = (self.key)(new) {
                    keyed.entry(key).or_default().insert(full_name(new), new.clone());
                }
            }
            CacheEvent::Deleted(last) => {
                let mut keyed = self.keyed.write();
                take_out(&mut keyed, (self.key)(last), last);
            }
            CacheEvent::Synced => {}
        }
    }
}

fn take_out(keyed: &mut Keyed, key: Option<String>, object: &Value) {
    let Some(key) = key else { return };
    if let Some(objects) = keyed.get_mut(&key) {
        objects.remove(&full_name(object));
        if objects.is_empty() {
            keyed.remove(&key);
        }
    }
}

fn full_name(object: &Value) -> (String, String) {
    (object::namespace(object).to_owned(), object::name(object).to_owned())
}

/// By the uid of the controlling owner; objects without one by [`orphans_of`] their namespace.
pub(crate) fn by_controller(object: &Value) -> Option<String> {
    match object::controller_ref(object) {
        Some(owner) => Some(object::str_at(owner, &["uid"]).to_owned()),
        None => Some(orphans_of(object::namespace(object))),
    }
}

/// The key of a namespace's objects without a controller.
pub(crate) fn orphans_of(namespace: &str) -> String {
    format!("orphans of {namespace}")
}

/// Pods by the node they are bound to; the unbound under the empty string.
pub(crate) fn by_node(pod: &Value) -> Option<String> {
    Some(object::str_at(pod, &["spec", "nodeName"]).to_owned())
}
