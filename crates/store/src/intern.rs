//! Shared strings: the same label, namespace or owner uid is held once.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::facts::Facts;
use crate::key::Key;

#[derive(Default)]
pub(crate) struct Interner {
    strings: Mutex<Strings>,
}

#[derive(Default)]
struct Strings {
    set: HashSet<Arc<str>>,
    /// The size at which strings that nobody uses any more are dropped.
    sweep_at: usize,
}

impl Interner {
    /// Replaces the strings that many objects share.
    pub fn share(&self, key: &mut Key, facts: &mut Facts) {
        let mut strings = self.strings.lock();
        strings.share(&mut key.resource);
        strings.share(&mut key.namespace);
        for (name, value) in facts.labels.iter_mut() {
            strings.share(name);
            strings.share(value);
        }
        for owner in &mut facts.owners {
            strings.share(owner);
        }
    }
}

impl Strings {
    fn share(&mut self, text: &mut Arc<str>) {
        if let Some(known) = self.set.get(text.as_ref()) {
            *text = known.clone();
            return;
        }
        if self.set.len() >= self.sweep_at.max(1024) {
            self.set.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = self.set.len() * 2;
        }
        self.set.insert(text.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_become_one_and_unused_ones_go() {
        let mut strings = Strings::default();
        let mut first: Arc<str> = "same".into();
        let mut second: Arc<str> = "same".into();
        strings.share(&mut first);
        strings.share(&mut second);
        assert!(Arc::ptr_eq(&first, &second));
        for number in 0..5000 {
            strings.share(&mut number.to_string().into());
        }
        assert!(strings.set.len() <= 1025, "{}", strings.set.len());
        assert!(strings.set.contains("same"));
    }
}
