//! Compresses what only history holds: earlier states that nobody is likely to ask for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::entry::{Entry, Event, EventKind};
use crate::packed::{Packed, pack};
use crate::state::{Cell, State};

/// Events that are looked at together.
const CHUNK: usize = 256;

impl State {
    /// Compresses the states that were replaced since the last time.
    pub fn pack_history(&self) {
        let mut packed = self.packed.lock();
        let to = self.revision();
        if *packed == to {
            return;
        }
        for cell in self.cells() {
            let mut from = *packed;
            loop {
                let events = cell.table.read().ring.between(from, to, CHUNK);
                let Some(last) = events.last() else { break };
                from = last.rev;
                let weights = Chunk { cell: &cell, entries: HashMap::new(), news: HashMap::new() }.pack(&events);
                let mut history = self.history.lock();
                weights.into_iter().for_each(|(rev, weight)| history.reweigh(rev, weight));
            }
        }
        *packed = to;
    }

    /// Compresses the present states of resources that are seldom read.
    pub fn pack_seldom_read(&self) {
        for cell in self.cells().iter().filter(|cell| cell.seldom_read) {
            let mut table = cell.table.write();
            let mut chunk = Chunk { cell, entries: HashMap::new(), news: HashMap::new() };
            for entry in table.entries.values_mut() {
                if let Some(packed) = chunk.packed(entry, None) {
                    *entry = packed;
                }
            }
        }
    }
}

struct Chunk<'a> {
    cell: &'a Cell,
    /// Compressed states by their revision.
    entries: HashMap<u64, Arc<Entry>>,
    /// What events hold from now on, by their revision.
    news: HashMap<u64, News>,
}

#[derive(Default)]
struct News {
    previous: Option<Arc<Entry>>,
    entry: Option<Arc<Entry>>,
}

impl Chunk<'_> {
    /// Returns the new weights of events.
    fn pack(mut self, events: &[Arc<Event>]) -> Vec<(u64, usize)> {
        for event in events {
            if self.cell.seldom_read && event.kind == EventKind::Put {
                let earlier = event.previous.as_ref().and_then(|previous| self.form(previous));
                self.news.entry(event.rev).or_default().entry = self.packed(&event.entry, earlier);
            }
            let Some(previous) = &event.previous else { continue };
            let Some(before) = self.packed(previous, self.earlier(previous.rev)) else { continue };
            if event.kind == EventKind::Delete && event.entry.body.shares_with(&previous.body) {
                let last = Entry { body: before.body.clone(), ..Entry::clone(&event.entry) };
                self.news.entry(event.rev).or_default().entry = Some(Arc::new(last));
            }
            self.news.entry(previous.rev).or_default().entry = Some(before.clone());
            self.news.entry(event.rev).or_default().previous = Some(before);
        }
        let mut table = self.cell.table.write();
        if self.cell.seldom_read {
            for entry in self.entries.values() {
                if let Some(present) = table.entries.get_mut(&entry.key.place()).filter(|present| present.rev == entry.rev) {
                    *present = entry.clone();
                }
            }
        }
        let news = self.news.into_iter();
        news.filter_map(|(rev, news)| Some((rev, table.ring.replace(rev, news.previous, news.entry)?))).collect()
    }

    fn packed(&mut self, entry: &Arc<Entry>, earlier: Option<Arc<Packed>>) -> Option<Arc<Entry>> {
        if let Some(known) = self.entries.get(&entry.rev) {
            return Some(known.clone());
        }
        let (bytes, split) = entry.body.plain()?;
        let packed = pack(bytes, earlier.as_ref(), &mut self.cell.dictionary.lock())?;
        let entry = Arc::new(Entry { body: crate::body::Body::packed(packed, split), ..Entry::clone(entry) });
        self.entries.insert(entry.rev, entry.clone());
        Some(entry)
    }

    /// The state that was replaced by the one of a revision, compressed.
    fn earlier(&self, rev: u64) -> Option<Arc<Packed>> {
        let before = self.cell.table.read().ring.at(rev)?.previous.clone()?;
        self.form(&before)
    }

    fn form(&self, entry: &Arc<Entry>) -> Option<Arc<Packed>> {
        self.entries.get(&entry.rev).unwrap_or(entry).body.as_packed().cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use comity_core::{Value, json};

    use super::*;
    use crate::body::Body;
    use crate::facts::Facts;
    use crate::history::HistoryLimits;
    use crate::key::Key;

    fn object(name: u64, step: u64) -> Value {
        let text = "some text that every object of the kind has in common; ".repeat(20);
        json!({"metadata": {"name": format!("n{name}"), "uid": format!("u{name}")}, "text": text, "step": step})
    }

    fn write(state: &State, name: u64, step: Option<u64>) {
        let rev = state.revision() + 1;
        let key = Key::new("pods", "a", format!("n{name}"));
        let previous = state.get(&key);
        let (kind, body) = match step {
            Some(step) => (EventKind::Put, Body::of(&object(name, step)).unwrap()),
            None => (EventKind::Delete, previous.as_ref().unwrap().body.clone()),
        };
        let facts = Arc::new(Facts::of_metadata(&object(name, 0)));
        let entry = Arc::new(Entry { key, rev, create_rev: 1, body, facts });
        state.publish(&[Arc::new(Event { kind, entry, previous, rev })]);
    }

    fn told(state: &State) -> Vec<(u64, EventKind, Value, Option<Value>)> {
        let events = state.known_cell("pods").unwrap().table.read().ring.after(1, usize::MAX).unwrap();
        let told = |event: &Arc<Event>| (event.rev, event.kind, event.entry.object(), event.previous.as_ref().map(|p| p.object()));
        events.iter().map(told).collect()
    }

    #[test]
    fn history_tells_the_same_once_it_is_compressed_and_takes_less() {
        let state = State::new(1, 1, HistoryLimits::default());
        let write_all = |steps: std::ops::Range<u64>| {
            for step in steps {
                for name in 0..50 {
                    write(&state, name, Some(step));
                }
            }
        };
        write_all(0..3);
        state.pack_history();
        write_all(3..10);
        write(&state, 7, None);
        write(&state, 8, None);
        let (before, weight, rev) = (told(&state), state.history.lock().bytes(), state.revision());
        state.pack_history();
        assert_eq!(told(&state), before);
        let now = state.history.lock().bytes();
        assert!(now * 3 < weight, "{now} of {weight} bytes");
        let current = state.get(&Key::new("pods", "a", "n1")).unwrap();
        assert!(current.body.as_packed().is_none(), "what is read often is not compressed");
        let ring = |rev| state.known_cell("pods").unwrap().table.read().ring.undo(rev).unwrap();
        assert_eq!(ring(rev - 2).values().flatten().map(|entry| entry.object()["step"].clone()).collect::<Vec<_>>(), [9, 9]);
        state.history.lock().trim(Instant::now() + std::time::Duration::from_secs(400));
        assert_eq!(state.history.lock().bytes(), 0, "weights of compressed events are taken off as they were put on");
    }

    #[test]
    fn what_is_seldom_read_is_compressed_in_the_present_too_and_reads_as_before() {
        let state = State::new(1, 1, HistoryLimits::default()).with_seldom_read(&["pods".into()]);
        for step in 0..3 {
            (0..20).for_each(|name| write(&state, name, Some(step)));
            state.pack_history();
        }
        write(&state, 3, None);
        let before = told(&state);
        state.pack_history();
        state.pack_seldom_read();
        assert_eq!(told(&state), before);
        let present = state.get(&Key::new("pods", "a", "n7")).unwrap();
        assert!(present.body.as_packed().is_some());
        let mut object = object(7, 2);
        comity_core::object::set(&mut object, &["metadata", "resourceVersion"], present.rev.to_string().into());
        assert_eq!(present.object(), object);
        assert_eq!(present.body, Body::of(&object).unwrap(), "a write that changes nothing is still recognised");
        assert!(state.get(&Key::new("pods", "a", "n3")).is_none());
    }
}
