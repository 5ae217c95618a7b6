//! The index of a server's RBAC objects, kept up with the store.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use comity_core::Value;
use comity_store::{Cursor, Event, EventKind, Store};
use parking_lot::{Mutex, RwLock};

use super::{Attributes, Authorizer, Decision, Index};

/// Where the four kinds are in the store, in the order of [`Index::build`]'s arguments.
const RESOURCES: [&str; 4] = [
    "rbac.authorization.k8s.io/roles",
    "rbac.authorization.k8s.io/clusterroles",
    "rbac.authorization.k8s.io/rolebindings",
    "rbac.authorization.k8s.io/clusterrolebindings",
];

/// RBAC over a store. Every decision knows every write that was acknowledged before it.
pub struct Rbac {
    store: Store,
    /// The store's revision up to which `index` is known to be right.
    seen: AtomicU64,
    tables: Mutex<[Table; 4]>,
    index: RwLock<Arc<Index>>,
}

#[derive(Default)]
struct Table {
    cursor: Option<Cursor>,
    objects: BTreeMap<(Arc<str>, Arc<str>), Value>,
}

impl Rbac {
    /// Over a store; nothing is read before the first decision.
    pub fn new(store: Store) -> Self {
        Self { store, seen: AtomicU64::new(0), tables: Mutex::default(), index: RwLock::default() }
    }

    /// The index as of now.
    pub fn index(&self) -> Arc<Index> {
        let revision = self.store.revision();
        if self.seen.load(Ordering::Acquire) != revision {
            self.catch_up(revision);
        }
        self.index.read().clone()
    }

    fn catch_up(&self, revision: u64) {
        let mut tables = self.tables.lock();
        if self.seen.load(Ordering::Acquire) >= revision && revision > 0 {
            return;
        }
        let mut changed = false;
        for (table, resource) in tables.iter_mut().zip(RESOURCES) {
            changed |= table.catch_up(&self.store, resource);
        }
        if changed {
            let [roles, cluster_roles, role_bindings, cluster_role_bindings] =
                [0, 1, 2, 3].map(|i| tables[i].objects.values().collect::<Vec<_>>());
            *self.index.write() = Arc::new(Index::build(&roles, &cluster_roles, &role_bindings, &cluster_role_bindings));
        }
        self.seen.store(revision, Ordering::Release);
    }
}

impl Authorizer for Rbac {
    fn authorize(&self, request: &Attributes<'_>) -> Decision {
        self.index().authorize(request)
    }
}

impl Table {
    /// Takes over what happened since; answers whether anything did.
    fn catch_up(&mut self, store: &Store, resource: &str) -> bool {
        let mut changed = false;
        while let Some(cursor) = &mut self.cursor {
            match cursor.take() {
                Ok(events) if events.is_empty() => return changed,
                Ok(events) => {
                    changed = true;
                    events.iter().for_each(|event| self.apply(event));
                }
                // The history does not reach back to where this table stands.
                Err(_) => self.cursor = None,
            }
        }
        let listing = store.list(resource, None);
        self.objects = listing.entries.iter().map(|e| ((e.key.namespace.clone(), e.key.name.clone()), e.body.parse(e.rev))).collect();
        self.cursor = store.watch(resource, listing.rev).ok();
        true
    }

    fn apply(&mut self, event: &Event) {
        let entry = &event.entry;
        let key = (entry.key.namespace.clone(), entry.key.name.clone());
        match event.kind {
            EventKind::Put => self.objects.insert(key, entry.body.parse(entry.rev)),
            EventKind::Delete => self.objects.remove(&key),
        };
    }
}
