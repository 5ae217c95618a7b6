//! Encryption at rest: what lies in the folder, and with which keys it opens.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::path::Path;
use std::time::Duration;

use comity_core::json;
use comity_store::{EncryptionKeys, Expect, HistoryLimits, Key, Options, Store};

const PLANTED: &str = "planted-7f3c91aa04";

fn keys(numbers: &[u8]) -> Option<EncryptionKeys> {
    // The base64 of 32 bytes, all zero but the first.
    let line = |number: &u8| format!("{}{}=", char::from(b'A' + number), "A".repeat(42));
    let text: Vec<String> = numbers.iter().map(line).collect();
    (!numbers.is_empty()).then(|| EncryptionKeys::parse(&text.join("\n")).unwrap())
}

/// A store that soon writes tables and compacts.
fn options(directory: &Path, numbers: &[u8]) -> Options {
    let history = HistoryLimits { budget: 20_000, cap: 40_000, least: Duration::ZERO, ..HistoryLimits::default() };
    Options { history, memtable: 30_000, upkeep: Duration::from_millis(5), encryption: keys(numbers), ..Options::fjall(directory) }
}

fn open(directory: &Path, numbers: &[u8]) -> Store {
    Store::open(options(directory, numbers)).unwrap()
}

fn refused(directory: &Path, numbers: &[u8]) -> String {
    Store::open(options(directory, numbers)).err().unwrap().to_string()
}

/// Writes until rows are in the log, in tables and among the objects.
async fn fill(store: &Store) {
    for number in 0..300 {
        let name = format!("s{}", number % 30);
        let object = json!({"metadata": {"name": name}, "number": number, "data": {"password": PLANTED}, "pad": "p".repeat(number)});
        store.put(Key::new("secrets", "a", name), Expect::Any, &object).await.unwrap();
    }
    store.delete(Key::new("secrets", "a", "s7"), Expect::Any, None).await.unwrap();
}

fn all(store: &Store) -> Vec<String> {
    store.list("secrets", None).entries.iter().map(|entry| entry.object().to_string()).collect()
}

/// The files below a folder that hold a text. A file that an open store removes meanwhile is no longer on the disk.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let mut found = Vec::new();
    let files = match std::fs::read_dir(folder) {
        Err(error) if gone(&error) => return found,
        files => files.unwrap(),
    };
    for file in files {
        let path = file.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
            continue;
        }
        match std::fs::read(&path) {
            Err(error) if gone(&error) => {}
            bytes => {
                if bytes.unwrap().windows(text.len()).any(|part| part == text.as_bytes()) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn with_a_key_no_file_holds_a_value_and_without_one_some_do() {
    for (numbers, readable) in [(&[][..], true), (&[1][..], false)] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path(), numbers);
        fill(&store).await;
        let before = (all(&store), store.revision());
        assert_eq!(holding(directory.path(), PLANTED).is_empty(), !readable);
        store.close().await;
        let files = holding(directory.path(), PLANTED);
        assert_eq!(files.is_empty(), !readable, "{files:?}");
        let store = open(directory.path(), numbers);
        assert_eq!((all(&store), store.revision()), before);
        assert!(holding(directory.path(), "secrets").len() > 1, "names are readable");
    }
}

#[tokio::test]
async fn a_missing_or_wrong_key_is_refused_and_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &[1]);
    fill(&store).await;
    let before = all(&store);
    store.close().await;
    let none = refused(directory.path(), &[]);
    assert!(none.contains("is encrypted with key ") && none.contains("--encryption-key-file"), "{none}");
    let wrong = refused(directory.path(), &[2, 3]);
    assert!(wrong.contains("and the key file holds ") && wrong.contains("add the key to the file"), "{wrong}");
    assert_eq!(all(&open(directory.path(), &[1])), before);
}

#[tokio::test]
async fn a_key_is_replaced_by_putting_the_new_one_in_front_and_later_leaving_the_old_one_out() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &[1]);
    fill(&store).await;
    let (before, hub, revision) = (all(&store), store.hub_id().to_owned(), store.revision());
    store.close().await;
    let store = open(directory.path(), &[2, 1]);
    assert_eq!((all(&store), store.hub_id(), store.revision(), store.epoch()), (before.clone(), hub.as_str(), revision, 1));
    assert!(store.watch("secrets", revision - 1).is_ok(), "watches resume");
    fill(&store).await;
    let before = all(&store);
    store.close().await;
    refused(directory.path(), &[1]);
    assert_eq!(all(&open(directory.path(), &[2])), before);
}

#[tokio::test]
async fn a_folder_that_was_not_encrypted_is_when_it_is_opened_with_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &[]);
    fill(&store).await;
    let (before, revision) = (all(&store), store.revision());
    store.close().await;
    std::fs::write(directory.path().join("torn-tail"), PLANTED).unwrap();
    let store = open(directory.path(), &[1]);
    assert_eq!((all(&store), store.revision()), (before, revision));
    let files = holding(directory.path(), PLANTED);
    assert!(files.is_empty(), "{files:?}");
    drop(store);
    refused(directory.path(), &[]);
}
