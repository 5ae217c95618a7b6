//! Moves old log rows into the objects keyspace, in chunks that are each consistent by themselves.

use std::collections::HashMap;
use std::fmt;

use crate::backend::fjall::{Disk, reason};
use crate::entry::EventKind;
use crate::key::Key;
use crate::row::{self, LogRow};

/// The most rows and bytes of one chunk.
const CHUNK: usize = 1000;
const CHUNK_BYTES: usize = 4 << 20;

/// Why rows were not moved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The disk gives something unreadable. Nothing changed.
    Read(String),
    /// The disk did not take what was written; what is on it is not known any more.
    Write(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Failure {
        Failure::Read(reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Read(reason) | Failure::Write(reason) => f.write_str(reason),
        }
    }
}

/// Moves the rows up to a revision and returns how many there were.
pub(crate) fn run(disk: &Disk, target: u64) -> Result<usize, Failure> {
    let mut done = 0;
    loop {
        let rows = chunk(disk, target)?;
        if rows == 0 {
            return Ok(done);
        }
        done += rows;
    }
}

fn chunk(disk: &Disk, target: u64) -> Result<usize, Failure> {
    let compacted = disk.meta_number("compact_rev").map_err(|error| error.to_string())?.unwrap_or(0);
    if target <= compacted {
        return Ok(0);
    }
    let mut last: HashMap<Key, (u64, LogRow)> = HashMap::new();
    let mut removed = Vec::new();
    let mut bytes = 0;
    for guard in disk.log.range((compacted + 1).to_be_bytes()..=target.to_be_bytes()) {
        let (key, value) = guard.into_inner().map_err(|error| reason(&error))?;
        let rev = row::read_u64(&key).map_err(|why| format!("log row: {why}"))?;
        let row = row::read_log(&value).map_err(|why| format!("log row {rev}: {why}"))?;
        bytes += value.len();
        last.insert(row.key.clone(), (rev, row));
        removed.push(rev);
        if removed.len() >= CHUNK || bytes >= CHUNK_BYTES {
            break;
        }
    }
    let Some(new) = removed.last().copied() else { return Ok(0) };
    // Synced like every group of writes: when the power fails, at most one batch of the journal may be torn, and
    // recovery cuts off no more than one.
    let mut batch = disk.batch();
    for (key, (rev, row)) in last {
        match (row.kind, row.body) {
            (EventKind::Put, Some(body)) => {
                batch.insert(&disk.objects, row::object_key(&key), row::object_value(rev, row.create_rev, &body));
            }
            _ => batch.remove(&disk.objects, row::object_key(&key)),
        }
    }
    for rev in &removed {
        batch.remove(&disk.log, rev.to_be_bytes());
    }
    batch.insert(&disk.meta, "compact_rev", new.to_be_bytes());
    let failed = |error| Failure::Write(reason(&error));
    batch.commit().map_err(failed)?;
    disk.shrink_log(bytes as u64);
    disk.grow_objects(bytes as u64).map_err(failed)?;
    Ok(removed.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use comity_core::json;

    use super::*;
    use crate::intern::Interner;
    use crate::{Expect, Key, Options, Store, load};

    async fn fill(directory: &Path) -> (BTreeMap<String, u64>, u64) {
        let store = Store::open(Options { sync: false, ..Options::fjall(directory) }).unwrap();
        for number in 0..2500u32 {
            let name = format!("n{}", number % 40);
            let key = Key::new("leases", "a", name.as_str());
            if number % 97 == 96 {
                store.delete(key, Expect::Any, None).await.unwrap();
            } else {
                store.put(key, Expect::Any, &json!({"metadata": {"name": name}, "n": number})).await.unwrap();
            }
        }
        let result = (state(&store), store.revision());
        store.close().await;
        result
    }

    fn state(store: &Store) -> BTreeMap<String, u64> {
        store.list("leases", None).entries.iter().map(|entry| (entry.key.name.to_string(), entry.rev)).collect()
    }

    #[tokio::test]
    async fn compaction_keeps_the_state_and_the_rest_of_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let (before, revision) = fill(directory.path()).await;
        let loaded = load::load(directory.path(), &Options::fjall(directory.path()), &Interner::default()).unwrap();
        assert_eq!(run(&loaded.disk, revision - 100), Ok(2400));
        assert_eq!(loaded.disk.objects.len().unwrap(), 40, "hot keys collapse to one row");
        drop(loaded);

        let store = Store::open(Options::fjall(directory.path())).unwrap();
        assert_eq!((state(&store), store.revision()), (before, revision));
        assert!(store.watch("leases", revision - 100).is_ok());
        assert!(store.watch("leases", revision - 101).is_err());
        let mut cursor = store.watch("leases", revision - 100).unwrap();
        for event in cursor.take().unwrap() {
            assert_eq!(event.previous.is_none(), event.entry.create_rev == event.rev, "objects before the log are known");
        }
    }

    #[tokio::test]
    async fn every_chunk_is_consistent_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let (before, revision) = fill(directory.path()).await;
        loop {
            let loaded = load::load(directory.path(), &Options::fjall(directory.path()), &Interner::default()).unwrap();
            if chunk(&loaded.disk, revision).unwrap() == 0 {
                break;
            }
            drop(loaded);
            let store = Store::open(Options::fjall(directory.path())).unwrap();
            assert_eq!((state(&store), store.revision()), (before.clone(), revision));
            store.close().await;
        }
    }

    #[tokio::test]
    async fn a_hole_in_the_log_is_named_and_a_newer_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (_, revision) = fill(directory.path()).await;
        let options = || Options::fjall(directory.path());
        let disk = load::load(directory.path(), &options(), &Interner::default()).unwrap().disk;
        disk.log.remove((revision - 5).to_be_bytes()).unwrap();
        drop(disk);
        let error = Store::open(options()).err().unwrap().to_string();
        assert!(error.contains(&format!("revision {} is missing", revision - 5)), "{error}");
        let store = Store::open(Options { accept_data_loss: true, ..options() }).unwrap();
        assert!(store.revision() > revision && store.epoch() == 2);
        store.close().await;

        let disk = load::load(directory.path(), &options(), &Interner::default()).unwrap().disk;
        disk.meta.insert("format", 3u64.to_be_bytes()).unwrap();
        drop(disk);
        let error = Store::open(options()).err().unwrap().to_string();
        assert!(error.contains("store format 3, this release reads up to 2"), "{error}");
    }
}
