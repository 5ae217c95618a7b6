//! Which objects name an owner: the garbage collector's index.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::entry::{Event, EventKind};
use crate::key::Key;

#[derive(Default)]
pub(crate) struct Owners {
    dependents: HashMap<Arc<str>, HashSet<Key>>,
}

impl Owners {
    pub fn apply(&mut self, event: &Event) {
        let before = event.previous.as_ref().map_or(&[][..], |entry| &entry.facts.owners);
        let after = if event.kind == EventKind::Put { &event.entry.facts.owners[..] } else { &[] };
        for owner in before.iter().filter(|owner| !after.contains(owner)) {
            if let Some(keys) = self.dependents.get_mut(owner) {
                keys.remove(&event.entry.key);
                if keys.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
        for owner in after.iter().filter(|owner| !before.contains(owner)) {
            self.dependents.entry(owner.clone()).or_default().insert(event.entry.key.clone());
        }
    }

    pub fn of(&self, owner: &str) -> Vec<Key> {
        self.dependents.get(owner).into_iter().flatten().cloned().collect()
    }
}
