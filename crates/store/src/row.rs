//! The byte forms of rows on disk.
//!
//! Log row: key = revision (big endian); value = operation, created revision, split, three counted key parts, body.
//! Object row: key = resource, namespace and name with zero bytes between; value = revision, created revision, split, body.
//! The highest bit of a split says that the body is sealed.

use std::sync::Arc;

use crate::body::Body;
use crate::entry::{Event, EventKind};
use crate::key::Key;
use crate::sealing::Sealer;

/// The newest format this code reads; see the `format` row of the `meta` keyspace.
pub(crate) const FORMAT: u64 = SEALED_FORMAT;
/// Values as they are.
pub(crate) const PLAIN_FORMAT: u64 = 1;
/// All values are sealed.
pub(crate) const SEALED_FORMAT: u64 = 2;

/// Set in a split whose body is sealed.
const SEALED: u32 = 1 << 31;

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
    pub body: Option<Stored>,
}

/// A body as a row holds it: sealed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    bytes: Arc<[u8]>,
    split: u32,
    sealed: bool,
}

impl Stored {
    /// The stored form of a body at its place.
    pub fn of(body: &Body, sealer: Option<&Sealer>, key: &Key, rev: u64) -> Result<Stored, String> {
        let (bytes, split) = body.stored();
        if split & SEALED != 0 {
            return Err("the object is larger than 2 GiB".into());
        }
        let bytes = match sealer {
            Some(sealer) => sealer.seal(&place(key, rev, split), &bytes)?.into(),
            None => bytes,
        };
        Ok(Stored { bytes, split, sealed: sealer.is_some() })
    }

    /// The body that was stored at this place.
    pub fn open(self, sealer: Option<&Sealer>, key: &Key, rev: u64) -> Result<Body, String> {
        let bytes = match (self.sealed, sealer) {
            (false, _) => self.bytes,
            (true, Some(sealer)) => sealer.open(&place(key, rev, self.split), &self.bytes)?.into(),
            (true, None) => return Err("it is encrypted and there is no key".into()),
        };
        Body::from_stored(bytes, self.split).ok_or_else(|| "the body is cut off".into())
    }

    fn read(bytes: &[u8], split: u32) -> Stored {
        Stored { bytes: bytes.into(), split: split & !SEALED, sealed: split & SEALED != 0 }
    }

    fn mark(&self) -> u32 {
        if self.sealed { self.split | SEALED } else { self.split }
    }
}

/// What a sealed body is bound to: the same in the log and in the objects, so that compaction only moves it.
fn place(key: &Key, rev: u64, split: u32) -> Vec<u8> {
    [&rev.to_be_bytes()[..], &split.to_be_bytes(), &object_key(key)].concat()
}

/// An object row's value read back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ObjectRow {
    pub rev: u64,
    pub create_rev: u64,
    pub body: Stored,
}

pub(crate) fn log_value(event: &Event, sealer: Option<&Sealer>) -> Result<Vec<u8>, String> {
    let entry = &event.entry;
    let unchanged = event.previous.as_ref().is_some_and(|previous| previous.body.shares_with(&entry.body));
    let (operation, body) = match event.kind {
        EventKind::Put => (PUT, true),
        EventKind::Delete if unchanged => (DELETE_UNCHANGED, false),
        EventKind::Delete => (DELETE, true),
    };
    let body = body.then(|| Stored::of(&entry.body, sealer, &entry.key, entry.rev)).transpose()?;
    Ok(log_row(operation, entry.create_rev, &entry.key, body.as_ref()))
}

fn log_row(operation: u8, create_rev: u64, key: &Key, body: Option<&Stored>) -> Vec<u8> {
    let (bytes, split) = body.map_or((&[][..], 0), |body| (&body.bytes[..], body.mark()));
    let mut out = Vec::with_capacity(bytes.len() + 128);
    out.push(operation);
    out.extend_from_slice(&create_rev.to_be_bytes());
    out.extend_from_slice(&split.to_be_bytes());
    for part in [&key.resource, &key.namespace, &key.name] {
        // Keys are checked to be far shorter than this counter can hold.
        out.extend_from_slice(&(part.len() as u16).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(bytes);
    out
}

/// A log row with its body sealed anew.
pub(crate) fn resealed(value: &[u8], rev: u64, old: Option<&Sealer>, new: &Sealer) -> Result<Vec<u8>, String> {
    let operation = value.first().copied().unwrap_or(u8::MAX);
    let row = read_log(value)?;
    let body = row.body.map(|body| Stored::of(&body.open(old, &row.key, rev)?, Some(new), &row.key, rev)).transpose()?;
    Ok(log_row(operation, row.create_rev, &row.key, body.as_ref()))
}

pub(crate) fn read_log(value: &[u8]) -> Result<LogRow, &'static str> {
    let mut reader = Reader(value);
    let operation = reader.take(1)?.first().copied().unwrap_or(u8::MAX);
    let create_rev = reader.u64()?;
    let split = reader.u32()?;
    let key = Key { resource: reader.part()?, namespace: reader.part()?, name: reader.part()? };
    let body = || Some(Stored::read(reader.0, split));
    let (kind, body) = match operation {
        PUT => (EventKind::Put, body()),
        DELETE => (EventKind::Delete, body()),
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

pub(crate) fn object_value(rev: u64, create_rev: u64, body: &Stored) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.bytes.len() + 20);
    out.extend_from_slice(&rev.to_be_bytes());
    out.extend_from_slice(&create_rev.to_be_bytes());
    out.extend_from_slice(&body.mark().to_be_bytes());
    out.extend_from_slice(&body.bytes);
    out
}

pub(crate) fn read_object(value: &[u8]) -> Result<ObjectRow, &'static str> {
    let mut reader = Reader(value);
    let (rev, create_rev, split) = (reader.u64()?, reader.u64()?, reader.u32()?);
    Ok(ObjectRow { rev, create_rev, body: Stored::read(reader.0, split) })
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
    use std::ops::Add;

    use comity_core::json;
    use proptest::prelude::*;

    use super::*;
    use crate::entry::Entry;
    use crate::facts::Facts;
    use crate::sealing::EncryptionKeys;

    fn entry(rev: u64, name: &str, body: Body) -> Arc<Entry> {
        let facts = Arc::new(Facts::of_metadata(&json!({})));
        Arc::new(Entry { key: Key::new("apps/deployments", "ns", name), rev, create_rev: 3, body, facts })
    }

    fn event(kind: EventKind, entry: Arc<Entry>, previous: Option<Arc<Entry>>) -> Event {
        Event { kind, rev: entry.rev, entry, previous }
    }

    fn stored(entry: &Entry, sealer: Option<&Sealer>) -> Stored {
        Stored::of(&entry.body, sealer, &entry.key, entry.rev).unwrap()
    }

    fn rows_come_back(sealer: Option<&Sealer>) {
        let read = |event: &Event| read_log(&log_value(event, sealer).unwrap()).unwrap();
        let body = Body::of(&json!({"metadata":{"name":"x"}})).unwrap();
        let first = entry(7, "x", body.clone());
        let row = read(&event(EventKind::Put, first.clone(), None));
        assert_eq!((row.kind, row.create_rev, &row.key), (EventKind::Put, 3, &first.key));
        assert_eq!(row.body.unwrap().open(sealer, &first.key, 7).unwrap(), body);
        let row = read(&event(EventKind::Delete, entry(8, "x", body.clone()), Some(first.clone())));
        assert_eq!((row.kind, row.body), (EventKind::Delete, None));
        let changed = entry(8, "x", Body::of(&json!({"metadata":{"name":"x"},"a":1})).unwrap());
        let row = read(&event(EventKind::Delete, changed.clone(), Some(first.clone())));
        assert_eq!(row.body.unwrap().open(sealer, &first.key, 8).unwrap(), changed.body);
        let row = read_object(&object_value(7, 3, &stored(&first, sealer))).unwrap();
        assert_eq!((row.rev, row.create_rev), (7, 3));
        assert_eq!(row.body.open(sealer, &first.key, 7).unwrap(), body);
        assert_eq!(read_object_key(&object_key(&first.key)).unwrap(), first.key);
    }

    #[test]
    fn rows_come_back_as_written() {
        rows_come_back(None);
        let sealer = Sealer::new(&EncryptionKeys::parse(&"A".repeat(42).add("A=")).unwrap()).unwrap();
        rows_come_back(Some(&sealer));
    }

    #[test]
    fn a_sealed_body_is_bound_to_its_object_and_revision() {
        let sealer = Sealer::new(&EncryptionKeys::parse(&"A".repeat(42).add("A=")).unwrap()).unwrap();
        let entry = entry(7, "x", Body::of(&json!({"metadata":{"name":"x"}})).unwrap());
        let row = stored(&entry, Some(&sealer));
        assert!(row.clone().open(Some(&sealer), &entry.key, 8).is_err());
        assert!(row.clone().open(Some(&sealer), &Key::new("apps/deployments", "ns", "y"), 7).is_err());
        assert_eq!(row.open(None, &entry.key, 7).unwrap_err(), "it is encrypted and there is no key");
    }

    proptest! {
        #[test]
        fn damaged_rows_are_errors_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let key = Key::new("a", "b", "c");
            if let Ok(row) = read_log(&bytes) && let Some(body) = row.body {
                let _ = body.open(None, &key, 1);
            }
            let _ = read_object(&bytes).map(|row| row.body.open(None, &key, 1));
            let _ = read_object_key(&bytes);
        }

        #[test]
        fn a_cut_row_is_never_taken_for_a_whole_key(cut in 0usize..40) {
            let body = Body::of(&json!({"metadata":{"name":"x"}})).unwrap();
            let value = log_value(&event(EventKind::Put, entry(7, "x", body), None), None).unwrap();
            prop_assert!(read_log(&value[..cut.min(value.len())]).is_err() || cut >= 38);
        }
    }
}
