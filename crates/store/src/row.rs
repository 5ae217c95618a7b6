//! The byte forms of rows on disk.
//!
//! Log row: key = revision (big endian); value = operation, created revision, split, three counted key parts, body.
//! Object row: key = resource, namespace and name with zero bytes between; value = revision, created revision, split, body.

use std::sync::Arc;

use bytes::Bytes;

use crate::body::Body;
use crate::entry::{Event, EventKind};
use crate::key::Key;

/// The format this code writes; see the `format` row of the `meta` keyspace.
pub(crate) const FORMAT: u64 = 1;

const PUT: u8 = 0;
const DELETE: u8 = 1;
/// A deletion whose last state is the state before.
const DELETE_UNCHANGED: u8 = 2;

/// A log row read back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogRow {
    pub kind: EventKind,
    pub create_rev: u64,
    pub key: Key,
    /// Absent when the last state of a deleted object is the state before.
    pub body: Option<Body>,
}

/// An object row's value read back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ObjectRow {
    pub rev: u64,
    pub create_rev: u64,
    pub body: Body,
}

pub(crate) fn log_value(event: &Event) -> Vec<u8> {
    let entry = &event.entry;
    let unchanged = event.previous.as_ref().is_some_and(|previous| previous.body.shares_with(&entry.body));
    let (operation, (body, split)) = match event.kind {
        EventKind::Put => (PUT, entry.body.stored()),
        EventKind::Delete if unchanged => (DELETE_UNCHANGED, (&[][..], 0)),
        EventKind::Delete => (DELETE, entry.body.stored()),
    };
    let mut out = Vec::with_capacity(body.len() + 128);
    out.push(operation);
    out.extend_from_slice(&entry.create_rev.to_be_bytes());
    out.extend_from_slice(&split.to_be_bytes());
    for part in [&entry.key.resource, &entry.key.namespace, &entry.key.name] {
        // Keys are checked to be far shorter than this counter can hold.
        out.extend_from_slice(&(part.len() as u16).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(body);
    out
}

pub(crate) fn read_log(value: &[u8]) -> Result<LogRow, &'static str> {
    let mut reader = Reader(value);
    let operation = reader.take(1)?.first().copied().unwrap_or(u8::MAX);
    let create_rev = reader.u64()?;
    let split = reader.u32()?;
    let key = Key { resource: reader.part()?, namespace: reader.part()?, name: reader.part()? };
    let body = || Body::from_stored(Bytes::copy_from_slice(reader.0), split).ok_or("the body is cut off").map(Some);
    let (kind, body) = match operation {
        PUT => (EventKind::Put, body()?),
        DELETE => (EventKind::Delete, body()?),
        DELETE_UNCHANGED => (EventKind::Delete, None),
        _ => return Err("unknown operation"),
    };
    Ok(LogRow { kind, create_rev, key, body })
}

pub(crate) fn object_key(key: &Key) -> Vec<u8> {
    [key.resource.as_bytes(), key.namespace.as_bytes(), key.name.as_bytes()].join(&0)
}

pub(crate) fn read_object_key(bytes: &[u8]) -> Result<Key, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the key is not text")?;
    let mut parts = text.split('\0');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(resource), Some(namespace), Some(name), None) => Ok(Key::new(resource, namespace, name)),
        _ => Err("the key does not have three parts"),
    }
}

pub(crate) fn object_value(rev: u64, create_rev: u64, body: &Body) -> Vec<u8> {
    let (bytes, split) = body.stored();
    let mut out = Vec::with_capacity(bytes.len() + 20);
    out.extend_from_slice(&rev.to_be_bytes());
    out.extend_from_slice(&create_rev.to_be_bytes());
    out.extend_from_slice(&split.to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

pub(crate) fn read_object(value: &[u8]) -> Result<ObjectRow, &'static str> {
    let mut reader = Reader(value);
    let (rev, create_rev, split) = (reader.u64()?, reader.u64()?, reader.u32()?);
    let body = Body::from_stored(Bytes::copy_from_slice(reader.0), split).ok_or("the body is cut off")?;
    Ok(ObjectRow { rev, create_rev, body })
}

/// A number as the `meta` keyspace and log keys hold it.
pub(crate) fn read_u64(bytes: &[u8]) -> Result<u64, &'static str> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| "a number of eight bytes was expected")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("the row is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        read_u64(self.take(8)?)
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        self.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| "the row is cut off")
    }

    fn part(&mut self) -> Result<Arc<str>, &'static str> {
        let length = self.take(2)?.try_into().map(u16::from_be_bytes).map_err(|_| "the row is cut off")?;
        std::str::from_utf8(self.take(length.into())?).map(Arc::from).map_err(|_| "the key is not text")
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;
    use proptest::prelude::*;

    use super::*;
    use crate::entry::Entry;
    use crate::facts::Facts;

    fn entry(rev: u64, name: &str, body: Body) -> Arc<Entry> {
        let facts = Facts::of_metadata(&json!({}));
        Arc::new(Entry { key: Key::new("apps/deployments", "ns", name), rev, create_rev: 3, body, facts })
    }

    fn event(kind: EventKind, entry: Arc<Entry>, previous: Option<Arc<Entry>>) -> Event {
        Event { kind, rev: entry.rev, entry, previous }
    }

    #[test]
    fn rows_come_back_as_written() {
        let body = Body::of(&json!({"metadata":{"name":"x"}})).unwrap();
        let first = entry(7, "x", body.clone());
        let row = read_log(&log_value(&event(EventKind::Put, first.clone(), None))).unwrap();
        assert_eq!(row, LogRow { kind: EventKind::Put, create_rev: 3, key: first.key.clone(), body: Some(body.clone()) });
        let gone = event(EventKind::Delete, entry(8, "x", body.clone()), Some(first.clone()));
        let row = read_log(&log_value(&gone)).unwrap();
        assert_eq!((row.kind, row.body), (EventKind::Delete, None));
        let changed = Body::of(&json!({"metadata":{"name":"x"},"a":1})).unwrap();
        let row = read_log(&log_value(&event(EventKind::Delete, entry(8, "x", changed.clone()), Some(first.clone())))).unwrap();
        assert_eq!(row.body, Some(changed));
        assert_eq!(read_object(&object_value(7, 3, &body)).unwrap(), ObjectRow { rev: 7, create_rev: 3, body });
        assert_eq!(read_object_key(&object_key(&first.key)).unwrap(), first.key);
    }

    proptest! {
        #[test]
        fn damaged_rows_are_errors_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_log(&bytes);
            let _ = read_object(&bytes);
            let _ = read_object_key(&bytes);
        }

        #[test]
        fn a_cut_row_is_never_taken_for_a_whole_key(cut in 0usize..40) {
            let body = Body::of(&json!({"metadata":{"name":"x"}})).unwrap();
            let value = log_value(&event(EventKind::Put, entry(7, "x", body), None));
            prop_assert!(read_log(&value[..cut.min(value.len())]).is_err() || cut >= 38);
        }
    }
}
