//! Events are forgotten an hour after their last change.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use comity_core::{Value, object, time};
use comity_store::{Cursor, Entry, EventKind, Expect, Key, WriteError};
use tokio::time::Instant;

use crate::cx::Cx;

/// The store's name for Events of both groups.
const EVENTS: &str = "events";
/// How long an Event is kept.
const KEPT: Duration = Duration::from_secs(3600);

/// One state of one Event, and when it expires.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    rev: u64,
    namespace: String,
    name: String,
}

/// Deletes Events when their time has come, until the server stops.
pub async fn run(cx: Cx) {
    loop {
        let (mut due, cursor) = start(&cx);
        let Some(mut cursor) = cursor else { return };
        loop {
            let next = due.peek().map(|Reverse(d)| d.at);
            tokio::select! {
                () = cx.stopping.cancelled() => return,
                batch = cursor.next_batch() => match batch {
                    Ok(events) => {
                        let puts = events.iter().filter(|e| e.kind == EventKind::Put);
                        due.extend(puts.map(|e| Reverse(after(&e.entry, Instant::now() + KEPT))));
                    }
                    // Too many changes at once: begin again from what is there.
                    Err(comity_store::WatchError::Overrun { .. }) => break,
                    Err(comity_store::WatchError::Closed) => return,
                },
                () = tokio::time::sleep_until(next.unwrap_or_else(|| Instant::now() + KEPT)), if next.is_some() => {
                    expire(&cx, &mut due).await;
                }
            }
        }
    }
}

fn start(cx: &Cx) -> (BinaryHeap<Reverse<Due>>, Option<Cursor>) {
    let listing = cx.store.list(EVENTS, None);
    let (now, clock) = (Instant::now(), cx.now());
    let due = listing.entries.iter().map(|entry| {
        let age = clock.duration_since(last_change(&entry.object(), clock)).unsigned_abs();
        Reverse(after(entry, now + KEPT.saturating_sub(age)))
    });
    (due.collect(), cx.store.watch(EVENTS, listing.rev).ok())
}

fn after(entry: &Entry, at: Instant) -> Due {
    Due { at, rev: entry.rev, namespace: entry.key.namespace.to_string(), name: entry.key.name.to_string() }
}

/// The newest time that an Event tells.
fn last_change(event: &Value, now: jiff::Timestamp) -> jiff::Timestamp {
    let paths: [&[&str]; 5] =
        [&["metadata", "creationTimestamp"], &["firstTimestamp"], &["lastTimestamp"], &["eventTime"], &["series", "lastObservedTime"]];
    paths.iter().filter_map(|path| time::parse(object::str_at(event, path))).filter(|t| *t <= now).max().unwrap_or(now)
}

async fn expire(cx: &Cx, due: &mut BinaryHeap<Reverse<Due>>) {
    let now = Instant::now();
    while due.peek().is_some_and(|Reverse(d)| d.at <= now) {
        let Some(Reverse(old)) = due.pop() else { return };
        let key = Key::new(EVENTS, old.namespace, old.name);
        match cx.store.delete(key, Expect::Rev(old.rev), None).await {
            // A conflict means that the Event has changed since, or is gone: its newer state has its own place in the heap.
            Ok(_) | Err(WriteError::Conflict { .. }) => {}
            Err(error) => tracing::warn!(%error, "an expired Event could not be deleted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn the_newest_time_counts_and_the_future_does_not() {
        let now = time::parse("2026-01-02T12:00:00Z").unwrap();
        let event = json!({"metadata": {"creationTimestamp": "2026-01-02T10:00:00Z"}, "lastTimestamp": "2026-01-02T11:30:00Z",
            "eventTime": "2027-01-01T00:00:00.000000Z"});
        assert_eq!(last_change(&event, now), time::parse("2026-01-02T11:30:00Z").unwrap());
        assert_eq!(last_change(&json!({}), now), now);
    }
}
