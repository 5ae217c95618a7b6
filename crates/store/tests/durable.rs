//! What survives: clean restarts, crashes, torn tails, lost data.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use comity_core::json;
use comity_store::{Event, Expect, Key, OpenError, Options, Space, SpaceProbe, Store, WatchError, WriteError};
use tempfile::TempDir;

fn key(name: impl Into<Arc<str>>) -> Key {
    Key::new("configmaps", "default", name)
}

async fn put(store: &Store, name: &str, value: usize) -> u64 {
    let object = json!({"metadata": {"name": name, "uid": format!("uid-{name}")}, "data": {"v": value, "pad": "x".repeat(value % 700)}});
    store.put(key(name), Expect::Any, &object).await.unwrap().rev
}

fn open(directory: &Path) -> Store {
    Store::open(Options::fjall(directory)).unwrap()
}

/// The files as a crash would leave them: whatever reached the operating system.
fn image(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_all(directory, copy.path());
    copy
}

fn copy_all(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.path().extension().is_some_and(|extension| extension == "new") {
            // Half of a replacement that the upkeep thread is making.
            continue;
        }
        if file.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_all(&file.path(), &target);
        } else if file.path().extension().is_some_and(|extension| extension == "jnl") {
            // Journals are mostly a hole; keep it one.
            std::fs::write(&target, content(&file.path())).unwrap();
            let length = file.metadata().unwrap().len();
            std::fs::OpenOptions::new().write(true).open(&target).unwrap().set_len(length).unwrap();
        } else {
            std::fs::copy(file.path(), &target).unwrap();
        }
    }
}

fn journal(directory: &Path) -> PathBuf {
    let files = std::fs::read_dir(directory.join("data")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).max().unwrap()
}

/// A journal without the zeros at its end; these tests write far less than is read here.
fn content(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).unwrap().take(256 << 10).read_to_end(&mut bytes).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

fn names(store: &Store) -> Vec<String> {
    store.list("configmaps", None).entries.iter().map(|entry| format!("{}@{}", entry.key.name, entry.rev)).collect()
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..20 {
        put(&store, &format!("n{}", number % 7), number).await;
    }
    let gone = store.delete(key("n3"), Expect::Any, None).await.unwrap();
    let (before, revision, hub) = (names(&store), store.revision(), store.hub_id().to_owned());
    assert_eq!(gone.rev, revision);
    store.close().await;
    assert!(matches!(store.put(key("x"), Expect::Any, &json!({"metadata":{}})).await, Err(WriteError::Closed)));

    let store = open(directory.path());
    assert_eq!((names(&store), store.revision(), store.hub_id(), store.epoch()), (before, revision, hub.as_str(), 1));
    assert_eq!(store.get(&key("n1")).unwrap().create_rev, 3);
    // Watches resume, also from before the restart, with the states before each event.
    let mut cursor = store.watch("configmaps", revision - 2).unwrap();
    let events = cursor.next_batch().await.unwrap();
    assert_eq!(events.iter().map(|event| event.rev).collect::<Vec<_>>(), [revision - 1, revision]);
    assert_eq!(events[1].previous.as_ref().unwrap().body, gone.body);
    assert_eq!(store.list_at(8, "configmaps", None).unwrap().entries.len(), 7);
    assert_eq!(put(&store, "after", 1).await, revision + 1);
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..30 {
        put(&store, &format!("n{}", number % 7), number).await;
        if number % 10 == 9 {
            let copy = image(directory.path());
            let crashed = open(copy.path());
            assert_eq!((names(&crashed), crashed.revision()), (names(&store), store.revision()));
            assert_eq!(put(&crashed, "next", 0).await, store.revision() + 1);
            crashed.close().await;
            assert_eq!(open(copy.path()).revision(), store.revision() + 1);
        }
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_at_a_whole_group_wherever_it_tears() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut acknowledged = Vec::new();
    for number in 0..12 {
        let rev = put(&store, &format!("n{number}"), number * 60).await;
        acknowledged.push((content(&journal(directory.path())).len(), rev));
    }
    let copy = image(directory.path());
    drop(store);
    // The high-water file would forbid the older states this test is about.
    let _ = std::fs::remove_file(copy.path().join("high-water"));
    let whole = content(&journal(copy.path()));
    let first = acknowledged[0].0;
    for step in 0..16 {
        let cut = first + (whole.len() - first) * step / 15;
        for filled in [false, true] {
            let torn = image(copy.path());
            let mut bytes = whole[..cut].to_vec();
            if filled {
                bytes.resize(whole.len() + 4096, 0);
            }
            std::fs::write(journal(torn.path()), bytes).unwrap();
            let store = open(torn.path());
            let least = acknowledged.iter().filter(|(end, _)| *end <= cut).map(|(_, rev)| *rev).max().unwrap();
            // A trailing zero byte of a group's end mark may be missing in the measured length.
            assert!(store.revision() >= least, "cut at {cut}: revision {} is before {least}", store.revision());
            assert_eq!(store.list("configmaps", None).entries.len() as u64, store.revision() - 1);
            let next = store.revision() + 1;
            assert_eq!(put(&store, "again", 1).await, next);
            store.close().await;
            assert_eq!(open(torn.path()).revision(), next);
        }
    }
}

#[tokio::test]
async fn flipped_bytes_give_a_shorter_past_or_an_error_but_never_another_past() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..6 {
        put(&store, &format!("n{number}"), number).await;
    }
    let before = names(&store);
    let copy = image(directory.path());
    drop(store);
    let _ = std::fs::remove_file(copy.path().join("high-water"));
    let whole = content(&journal(copy.path()));
    for step in 0..24 {
        let damaged = image(copy.path());
        let mut bytes = whole.clone();
        let at = whole.len() * step / 24;
        bytes[at] ^= 0x41;
        std::fs::write(journal(damaged.path()), bytes).unwrap();
        if let Ok(store) = Store::open(Options::fjall(damaged.path())) {
            assert!(before.starts_with(&names(&store)), "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_last_write_with_holes_is_cut_off_and_kept_aside() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..4 {
        put(&store, &format!("n{number}"), number + 600).await;
    }
    let before = content(&journal(directory.path())).len();
    put(&store, "torn", 699).await;
    let copy = image(directory.path());
    let revision = store.revision();
    drop(store);
    let _ = std::fs::remove_file(copy.path().join("high-water"));
    let mut bytes = content(&journal(copy.path()));
    let hole = before + (bytes.len() - before) / 2;
    bytes[hole..hole + 20].fill(b'y');
    std::fs::write(journal(copy.path()), &bytes).unwrap();
    let store = open(copy.path());
    assert_eq!(store.revision(), revision - 1);
    assert!(copy.path().join("torn-tail").exists());
    assert_eq!(put(&store, "again", 1).await, revision);
    store.close().await;
    assert_eq!(open(copy.path()).revision(), revision);

    // Damage further back is no torn write: nothing is cut.
    let copy = image(copy.path());
    bytes[before / 2] ^= 1;
    std::fs::write(journal(copy.path()), &bytes).unwrap();
    assert!(Store::open(Options::fjall(copy.path())).is_err());
    assert_eq!(content(&journal(copy.path())), bytes);
}

#[tokio::test]
async fn a_lost_tail_stops_the_start_until_the_loss_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..5 {
        put(&store, &format!("n{number}"), number).await;
    }
    let early = image(directory.path());
    let early_names = names(&store);
    for number in 5..9 {
        put(&store, &format!("n{number}"), number).await;
    }
    let hub = store.hub_id().to_owned();
    store.close().await;
    std::fs::copy(directory.path().join("high-water"), early.path().join("high-water")).unwrap();

    let error = Store::open(Options::fjall(early.path())).err().unwrap();
    assert!(matches!(error, OpenError::LostTail { found: 6, acknowledged: 10, .. }), "{error}");
    assert!(error.to_string().contains("revision 10 was acknowledged"), "{error}");

    let accept = || Options { accept_data_loss: true, ..Options::fjall(early.path()) };
    let store = Store::open(accept()).unwrap();
    assert_eq!((names(&store), store.hub_id(), store.epoch()), (early_names, hub.as_str(), 2));
    let jumped = store.revision();
    assert!(jumped > 1_000_000_000);
    assert!(store.watch("configmaps", 10).is_err(), "no client can go on from what it saw");
    assert!(store.list_at(4, "configmaps", None).is_err());
    assert_eq!(put(&store, "next", 1).await, jumped + 1);
    store.close().await;
    let store = Store::open(accept()).unwrap();
    assert_eq!((store.revision(), store.epoch()), (jumped + 1, 2), "accepting is no loss by itself");
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let error = Store::open(Options::fjall(directory.path())).err().unwrap();
    let holder = format!("process {}", std::process::id());
    assert!(matches!(&error, OpenError::InUse { holder: found, .. } if found.starts_with(&holder)), "{error}");
    drop(store);
    open(directory.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_lose_no_update_and_watchers_see_all_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let start = store.revision();
    let mut watcher = store.watch("configmaps", start).unwrap();
    let watching = tokio::spawn(async move {
        let mut seen: Vec<Arc<Event>> = Vec::new();
        loop {
            match watcher.next_batch().await {
                Ok(events) => seen.extend(events),
                Err(WatchError::Closed) => return seen,
                Err(error) => panic!("{error}"),
            }
        }
    });
    let writers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..25 {
                loop {
                    let current = store.get(&key("counter"));
                    let count = current.as_ref().map_or(0, |entry| entry.object()["data"]["n"].as_u64().unwrap());
                    let expect = current.map_or(Expect::Absent, |entry| Expect::Rev(entry.rev));
                    let object = json!({"metadata": {"name": "counter"}, "data": {"n": count + 1}});
                    match store.put(key("counter"), expect, &object).await {
                        Ok(entry) => {
                            assert!(store.get(&key("counter")).unwrap().rev >= entry.rev, "an acknowledged write is readable");
                            break;
                        }
                        Err(WriteError::Conflict { current }) => assert!(current.is_some()),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(store.get(&key("counter")).unwrap().object()["data"]["n"], json!(200));
    store.close().await;
    let seen = watching.await.unwrap();
    assert_eq!(seen.iter().map(|event| event.rev).collect::<Vec<_>>(), (start + 1..=start + 200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_revision_ends_with_it_or_at_the_deadline() {
    let store = Store::open(Options::mem()).unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(3);
    let (reached, rev) = tokio::join!(store.wait_revision(2, deadline), put(&store, "a", 1));
    assert!(reached && rev == 2);
    assert!(!store.wait_revision(3, deadline).await);
}

#[tokio::test]
async fn dependents_follow_the_owner_references() {
    let store = Store::open(Options::mem()).unwrap();
    let owned = |name: &str, owners: &[&str]| {
        let owners: Vec<_> = owners.iter().map(|uid| json!({"uid": uid})).collect();
        json!({"metadata": {"name": name, "ownerReferences": owners}})
    };
    store.put(key("a"), Expect::Any, &owned("a", &["o1", "o2"])).await.unwrap();
    store.put(key("b"), Expect::Any, &owned("b", &["o1"])).await.unwrap();
    let found = |uid: &str| store.dependents(uid).iter().map(|entry| entry.key.name.to_string()).collect::<Vec<_>>();
    assert_eq!((found("o1"), found("o2")), (vec!["a".to_owned(), "b".into()], vec!["a".to_owned()]));
    store.put(key("a"), Expect::Any, &owned("a", &["o2"])).await.unwrap();
    store.delete(key("b"), Expect::Any, None).await.unwrap();
    assert_eq!((found("o1"), found("o2")), (Vec::<String>::new(), vec!["a".to_owned()]));
    assert_eq!(store.resources(), [(Arc::from("configmaps"), 1)]);
}

#[tokio::test]
async fn on_a_nearly_full_disk_deletes_and_reads_go_on_and_writes_do_again_when_there_is_space() {
    let directory = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(10 << 30));
    let told = free.clone();
    let space: SpaceProbe = Arc::new(move |_| Some(Space { free: told.load(Ordering::Relaxed), size: 100 << 30 }));
    let store = Store::open(Options { space, ..Options::fjall(directory.path()) }).unwrap();
    put(&store, "a", 1).await;
    put(&store, "b", 1).await;
    free.store(100 << 20, Ordering::Relaxed);
    let object = json!({"metadata": {"name": "c"}});
    let refused = store.put(key("c"), Expect::Any, &object).await.unwrap_err();
    assert!(matches!(refused, WriteError::Full { free } if free == 100 << 20), "{refused}");
    assert_eq!(refused.to_string(), "the disk of the store is nearly full (100 MiB left): only deletes are accepted until space is freed");
    assert_eq!((names(&store), store.health().short_of_space), (vec!["a@2".to_owned(), "b@3".into()], Some(100 << 20)));
    store.delete(key("a"), Expect::Any, None).await.unwrap();
    // An object with finalizers is deleted in steps that are writes.
    let ending = json!({"metadata": {"name": "b", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x"]}});
    store.put(key("b"), Expect::Any, &ending).await.unwrap();
    store.delete(key("b"), Expect::Any, None).await.unwrap();
    free.store(10 << 30, Ordering::Relaxed);
    store.put(key("c"), Expect::Any, &object).await.unwrap();
    assert_eq!((names(&store), store.health().short_of_space), (vec!["c@7".to_owned()], None));
}
