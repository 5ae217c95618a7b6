//! Random writes, listings and watches against a plain list of everything that ever happened.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use comity_core::{Value, json};
use comity_store::{Entry, Event, EventKind, Expect, HistoryLimits, Key, ListError, Options, Page, Store, WatchError, WriteError};
use proptest::prelude::*;

const RESOURCE: &str = "apps/deployments";

#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, value: u8, expect: Guess },
    Delete { key: u8, expect: Guess, last: bool },
    List { namespace: Option<u8>, back: u64, limit: usize },
    Watch { back: u64 },
}

#[derive(Clone, Copy, Debug)]
enum Guess {
    Any,
    Absent,
    Current,
    Stale,
}

fn guess() -> impl Strategy<Value = Guess> {
    prop_oneof![3 => Just(Guess::Any), 1 => Just(Guess::Absent), 3 => Just(Guess::Current), 1 => Just(Guess::Stale)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..6, 0u8..3, guess()).prop_map(|(key, value, expect)| Step::Put { key, value, expect }),
        2 => (0u8..6, guess(), any::<bool>()).prop_map(|(key, expect, last)| Step::Delete { key, expect, last }),
        3 => (proptest::option::of(0u8..3), 0u64..12, 1usize..4).prop_map(|(namespace, back, limit)| Step::List { namespace, back, limit }),
        1 => (0u64..8).prop_map(|back| Step::Watch { back }),
    ]
}

fn namespace(number: u8) -> &'static str {
    ["team", "team-a", "z"][usize::from(number % 3)]
}

fn key(number: u8) -> Key {
    Key::new(RESOURCE, namespace(number), format!("n{}", number / 3))
}

fn object(key: &Key, value: u8) -> Value {
    json!({"metadata": {"name": &*key.name, "namespace": &*key.namespace, "labels": {"v": value.to_string()}}})
}

/// One thing that happened: revision, key, the value before and after.
#[derive(Clone, Debug, PartialEq)]
struct Happened {
    rev: u64,
    key: String,
    before: Option<u8>,
    after: Option<u8>,
}

#[derive(Default)]
struct Oracle {
    events: Vec<Happened>,
}

impl Oracle {
    /// The objects at a revision in list order, each with the revision it has.
    fn at(&self, rev: u64) -> BTreeMap<String, (u64, u8)> {
        let mut state = BTreeMap::new();
        for event in self.events.iter().take_while(|event| event.rev <= rev) {
            match event.after {
                Some(value) => state.insert(event.key.clone(), (event.rev, value)),
                None => state.remove(&event.key),
            };
        }
        state
    }

    fn after(&self, rev: u64) -> Vec<Happened> {
        self.events.iter().filter(|event| event.rev > rev).cloned().collect()
    }
}

fn relative(key: &Key) -> String {
    format!("{}/{}", key.namespace, key.name)
}

fn value_of(entry: &Entry) -> u8 {
    assert_eq!(entry.object()["metadata"]["resourceVersion"], json!(entry.rev.to_string()));
    entry.facts.label("v").unwrap().parse().unwrap()
}

fn happened(event: &Event) -> Happened {
    let after = (event.kind == EventKind::Put).then(|| value_of(&event.entry));
    assert_eq!(event.entry.rev, event.rev);
    Happened { rev: event.rev, key: relative(&event.entry.key), before: event.previous.as_deref().map(value_of), after }
}

fn seen(entries: &[std::sync::Arc<Entry>]) -> Vec<(String, (u64, u8))> {
    entries.iter().map(|entry| (relative(&entry.key), (entry.rev, value_of(entry)))).collect()
}

async fn run(steps: &[Step], limits: HistoryLimits, forgetful: bool) {
    let store = Store::open(Options { history: limits, ..Options::mem() }).unwrap();
    let mut oracle = Oracle::default();
    let mut rev = store.revision();
    let mut cursors = Vec::new();
    for step in steps {
        match *step {
            Step::Put { key: number, value, expect } => {
                let key = key(number);
                let now = oracle.at(rev).get(&relative(&key)).copied();
                let (want, allowed) = expectation(expect, now);
                let result = store.put(key.clone(), want, &object(&key, value)).await;
                match now {
                    _ if !allowed => assert_conflict(result, now),
                    Some((old, same)) if same == value => assert_eq!(result.unwrap().rev, old, "nothing changed"),
                    _ => {
                        rev += 1;
                        assert_eq!(result.unwrap().rev, rev);
                        let before = now.map(|(_, value)| value);
                        oracle.events.push(Happened { rev, key: relative(&key), before, after: Some(value) });
                    }
                }
            }
            Step::Delete { key: number, expect, last } => {
                let key = key(number);
                let now = oracle.at(rev).get(&relative(&key)).copied();
                let (want, allowed) = expectation(expect, now);
                let last = last.then(|| object(&key, 9));
                let result = store.delete(key.clone(), want, last.as_ref()).await;
                match now {
                    Some((_, value)) if allowed => {
                        rev += 1;
                        let entry = result.unwrap();
                        assert_eq!((entry.rev, value_of(&entry)), (rev, if last.is_some() { 9 } else { value }));
                        oracle.events.push(Happened { rev, key: relative(&key), before: Some(value), after: None });
                    }
                    _ => assert_conflict(result, now),
                }
            }
            Step::List { namespace: wanted, back, limit } => list(&store, &oracle, rev, wanted, back, limit, forgetful),
            Step::Watch { back } => {
                let from = rev.saturating_sub(back).max(1);
                match store.watch(RESOURCE, from) {
                    Ok(cursor) => cursors.push((from, cursor)),
                    Err(error) => assert!(forgetful && error.oldest > from, "{error}"),
                }
            }
        }
        assert_eq!(store.revision(), rev);
    }
    for (from, mut cursor) in cursors {
        let want = oracle.after(from);
        match cursor.take() {
            Ok(events) => assert_eq!(events.iter().map(|event| happened(event)).collect::<Vec<_>>(), want),
            Err(error) => assert!(forgetful && matches!(error, WatchError::Overrun { oldest } if oldest > from)),
        }
        if !forgetful {
            assert_eq!(cursor.progress(), rev);
        }
    }
}

fn expectation(guess: Guess, now: Option<(u64, u8)>) -> (Expect, bool) {
    match (guess, now) {
        (Guess::Any, _) => (Expect::Any, true),
        (Guess::Absent, _) => (Expect::Absent, now.is_none()),
        (Guess::Current, Some((rev, _))) => (Expect::Rev(rev), true),
        (Guess::Current, None) => (Expect::Rev(1), false),
        (Guess::Stale, _) => (Expect::Rev(u64::MAX), false),
    }
}

fn assert_conflict(result: Result<std::sync::Arc<Entry>, WriteError>, now: Option<(u64, u8)>) {
    match result {
        Err(WriteError::Conflict { current }) => assert_eq!(current.map(|entry| (entry.rev, value_of(&entry))), now),
        other => panic!("a conflict was expected, not {other:?}"),
    }
}

fn list(store: &Store, oracle: &Oracle, rev: u64, wanted: Option<u8>, back: u64, limit: usize, forgetful: bool) {
    let wanted = wanted.map(namespace);
    let want = |rev: u64| -> Vec<_> {
        let prefix = wanted.map(|namespace| format!("{namespace}/"));
        oracle.at(rev).into_iter().filter(|(key, _)| prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))).collect()
    };
    let listing = store.list(RESOURCE, wanted);
    assert_eq!((listing.rev, seen(&listing.entries)), (rev, want(rev)));
    let at = rev.saturating_sub(back).max(1);
    match store.list_at(at, RESOURCE, wanted) {
        Ok(listing) => assert_eq!((listing.rev, seen(&listing.entries)), (at, want(at))),
        Err(ListError::Compacted { oldest }) => {
            assert!(forgetful && oldest > at);
            assert_eq!(seen(&store.list_at(oldest, RESOURCE, wanted).unwrap().entries), want(oldest));
            return;
        }
        Err(error) => panic!("{error}"),
    }
    assert_eq!(store.list_at(rev + 1, RESOURCE, wanted).unwrap_err(), ListError::Future { current: rev });
    // Only some of them.
    let some = |(_, (_, value)): &(String, (u64, u8))| *value == 1;
    let page = Page { namespace: wanted, start: None, limit: Some(limit) };
    let selected = store.select(RESOURCE, Some(at), &page, |entry| entry.facts.label("v") == Some("1")).unwrap();
    let matching: Vec<_> = want(at).into_iter().filter(some).collect();
    assert_eq!(seen(&selected.entries), matching.iter().take(limit).cloned().collect::<Vec<_>>());
    assert_eq!(selected.remaining > 0, matching.len() > limit);
    // The same in pages.
    let mut pages = Vec::new();
    let mut start = None;
    loop {
        let page = Page { namespace: wanted, start: start.as_deref(), limit: Some(limit) };
        let listing = store.page(RESOURCE, Some(at), &page).unwrap();
        pages.extend(seen(&listing.entries));
        assert_eq!(listing.remaining, want(at).len() - pages.len());
        let Some(last) = listing.entries.last().filter(|_| listing.remaining > 0) else { break };
        let name = if wanted.is_some() { last.key.name.to_string() } else { relative(&last.key) };
        start = Some(format!("{name}\0"));
    }
    assert_eq!(pages, want(at));
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future);
}

proptest! {
    #[test]
    fn every_answer_is_what_the_oracle_says(steps in proptest::collection::vec(step(), 1..80)) {
        block_on(run(&steps, HistoryLimits::default(), false));
    }

    #[test]
    fn with_little_history_an_answer_is_right_or_says_how_far_back_it_can_go(steps in proptest::collection::vec(step(), 1..80)) {
        let limits = HistoryLimits { budget: 1000, cap: 2000, least: Duration::ZERO, ..HistoryLimits::default() };
        block_on(run(&steps, limits, true));
    }
}
