//! What the member itself said is not there. A list that lacks something is no such word.

use std::collections::{HashSet, VecDeque};

use comity_core::digest::Digest;

/// So many names are remembered; whoever needs another one asks again.
const MOST: usize = 1024;

/// Names, by their digests.
#[derive(Default)]
pub(crate) struct Absent {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

fn digest(namespace: &str, name: &str) -> u64 {
    let mut digest = Digest::default();
    digest.text(namespace);
    digest.text(name);
    digest.finish()
}

impl Absent {
    pub fn note(&mut self, namespace: &str, name: &str) {
        let digest = digest(namespace, name);
        if self.known.insert(digest) {
            self.order.push_back(digest);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub fn forget(&mut self, namespace: &str, name: &str) {
        // almost always nothing is remembered
        if !self.known.is_empty() {
            self.known.remove(&digest(namespace, name));
        }
    }

    pub fn holds(&self, namespace: &str, name: &str) -> bool {
        self.known.contains(&digest(namespace, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_names_are_forgotten_and_the_memory_is_bounded() {
        let mut absent = Absent::default();
        for round in 0..5000 {
            absent.note("ns", &format!("n{round}"));
            absent.forget("ns", &format!("n{}", round / 2));
        }
        assert!(absent.holds("ns", "n4999") && !absent.holds("ns", "n3"));
        assert!(absent.known.len() <= MOST && absent.order.len() <= MOST);
    }
}
