//! What writers were told, and whether a store agrees.

use std::collections::BTreeMap;
use std::sync::Arc;

use comity_core::json;
use comity_store::{Entry, Event, EventKind, Options, Store};
use comity_testkit_preload::powerloss::Recording;

use crate::writer::{RESOURCE, name, object};

/// One write that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    number: u64,
    puts: bool,
}

/// Everything that is known to have happened.
#[derive(Clone, Default)]
pub struct Truth {
    /// The objects at a revision: name, revision, number.
    base: BTreeMap<String, (u64, u64)>,
    base_rev: u64,
    writes: BTreeMap<u64, Write>,
    hub: Option<String>,
}

/// What writers were told up to some moment.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The last acknowledged revision.
    pub acknowledged: u64,
    hub: Option<String>,
}

impl Truth {
    pub fn new() -> Truth {
        Truth { base_rev: 1, ..Truth::default() }
    }

    /// Notes what a recording's writer was told, and returns what it had been told after each operation that matters.
    pub fn learn(&mut self, recording: &Recording) -> Vec<(usize, Told)> {
        let mut told = Told { acknowledged: self.base_rev, hub: self.hub.clone() };
        let mut moments = vec![(0, told.clone())];
        for (at, note) in recording.notes() {
            let text = std::str::from_utf8(note).unwrap();
            match text.split_whitespace().collect::<Vec<_>>()[..] {
                ["ack", rev, number, kind] => {
                    let (rev, write) = (rev.parse().unwrap(), Write { number: number.parse().unwrap(), puts: kind == "put" });
                    let before = self.writes.insert(rev, write);
                    assert!(before.is_none(), "revision {rev} was given twice: {before:?} and {write:?}");
                    told.acknowledged = told.acknowledged.max(rev);
                }
                ["hub", id] => told.hub = Some(id.to_owned()),
                _ => panic!("a note of {text:?}"),
            }
            moments.push((at, told.clone()));
        }
        moments
    }

    /// Opens a disk and compares; returns the store.
    pub fn open(&self, options: Options, told: &Told) -> Result<Store, String> {
        let store = Store::open(options).map_err(|error| format!("it does not open: {error}"))?;
        self.check(&store, told)?;
        Ok(store)
    }

    fn check(&self, store: &Store, told: &Told) -> Result<(), String> {
        let rev = store.revision();
        if rev < told.acknowledged {
            return Err(format!("it ends at {rev} although {} was acknowledged", told.acknowledged));
        }
        if told.hub.as_ref().is_some_and(|hub| hub != store.hub_id()) || store.epoch() != 1 {
            return Err("it is another hub".into());
        }
        let events = self.events(store)?;
        let mut want = self.base.clone();
        let mut unknown = 0;
        for rev in self.base_rev + 1..=rev {
            let learned =
                events.get(&rev).map(|event| Ok::<_, String>(Write { number: number(&event.entry)?, puts: event.kind == EventKind::Put }));
            match self.writes.get(&rev).copied().map(Ok).or(learned).transpose()? {
                Some(write) if write.puts => drop(want.insert(name(write.number), (rev, write.number))),
                Some(write) => drop(want.remove(&name(write.number))),
                None => unknown += 1,
            }
        }
        let found = listing(store)?;
        if unknown == 0 && found != want {
            return Err(format!("at {rev} it holds {found:?}, not {want:?}"));
        }
        // A write that nobody was told of and that was compacted away can have changed any one object.
        let different = want.iter().filter(|(name, state)| found.get(*name) != Some(state)).count();
        if different > unknown || found.values().any(|(rev, number)| self.writes.get(rev).is_some_and(|write| write.number != *number)) {
            return Err(format!("at {rev}, {unknown} writes unknown, it holds {found:?}, not {want:?}"));
        }
        Ok(())
    }

    /// The events that can be watched, after checking that they are gapless and true, from wherever one begins.
    fn events(&self, store: &Store) -> Result<BTreeMap<u64, Arc<Event>>, String> {
        let mut events = BTreeMap::new();
        let now = store.revision();
        let oldest = match store.watch(RESOURCE, 1) {
            Ok(_) => 1,
            Err(error) if store.watch(RESOURCE, error.oldest - 1).is_ok() => return Err("a forgotten revision can be watched".into()),
            Err(error) => error.oldest,
        };
        let mut cursor = store.watch(RESOURCE, oldest).map_err(|error| error.to_string())?;
        let mut expected = oldest;
        loop {
            let batch = cursor.take().map_err(|error| error.to_string())?;
            if batch.is_empty() {
                break;
            }
            for event in batch {
                expected += 1;
                let write = Write { number: number(&event.entry)?, puts: event.kind == EventKind::Put };
                let known = self.writes.get(&event.rev);
                if event.rev != expected || known.is_some_and(|known| *known != write) {
                    return Err(format!("instead of {expected} ({known:?}) a watch says {} ({write:?})", event.rev));
                }
                events.insert(event.rev, event);
            }
        }
        let resumed = oldest + (now - oldest) / 2;
        let mut cursor = store.watch(RESOURCE, resumed).map_err(|error| format!("from {resumed}: {error}"))?;
        let first = cursor.take().map_err(|error| error.to_string())?.first().map(|event| event.rev);
        if expected != now || first != (resumed < now).then_some(resumed + 1) {
            return Err(format!("a watch ends at {expected} of {now}, one from {resumed} begins with {first:?}"));
        }
        Ok(events)
    }

    /// Goes on from a store that was compared: what it lost was never acknowledged.
    pub fn go_on(&mut self, store: &Store) {
        self.base_rev = store.revision();
        self.base = listing(store).unwrap();
        self.writes.split_off(&(self.base_rev + 1));
        for (rev, event) in self.events(store).unwrap() {
            let write = Write { number: number(&event.entry).unwrap(), puts: event.kind == EventKind::Put };
            self.writes.insert(rev, write);
        }
        self.hub = Some(store.hub_id().to_owned());
    }
}

fn listing(store: &Store) -> Result<BTreeMap<String, (u64, u64)>, String> {
    let entries = store.list(RESOURCE, None).entries;
    entries.iter().map(|entry| Ok((entry.key.name.to_string(), (entry.rev, number(entry)?)))).collect()
}

/// The number of the write that made an entry, after checking that the whole object is there.
fn number(entry: &Entry) -> Result<u64, String> {
    let found = entry.object();
    let number = found["number"].as_u64().ok_or_else(|| format!("an object without a number: {found}"))?;
    let mut want = object(number);
    want["metadata"]["resourceVersion"] = json!(entry.rev.to_string());
    if found == want && *entry.key.name == *name(number) { Ok(number) } else { Err(format!("{found} at {} is not {want}", entry.key)) }
}
