//! A process that is killed while it writes: everything it was told is durable is there afterwards.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use comity_core::json;
use comity_store::{Expect, Key, Options, Store};

const DIRECTORY: &str = "COMITY_STORE_TEST_DIRECTORY";

fn key(number: u64) -> Key {
    Key::new("leases", "a", format!("n{}", number % 50))
}

/// The writing process: says `revision number` for each acknowledged write, until it is killed.
#[test]
#[ignore = "runs as the child of the next test"]
fn child_that_writes_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Options::fjall(directory)).unwrap();
        let writers = (0..8u64).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0.. {
                    let number = round * 8 + writer;
                    let object = json!({"metadata": {"name": "x"}, "number": number, "text": "x".repeat(number as usize % 3000)});
                    let entry = store.put(key(number), Expect::Any, &object).await.unwrap();
                    // One write, so that the line is not torn by the kill.
                    let line = format!("ack {} {number}\n", entry.rev);
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

/// Runs the child until it acknowledged that many writes, kills it, and returns what it acknowledged.
fn run_and_kill(directory: &Path, writes: usize) -> BTreeMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut killed = false;
    // Also what was acknowledged between the decision and the kill counts.
    while lines.read_line(&mut line).unwrap() > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["ack", rev, number] = words[..] {
            acknowledged.insert(rev.parse().unwrap(), number.parse().unwrap());
        }
        line.clear();
        if acknowledged.len() >= writes && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself after {} writes", acknowledged.len());
    acknowledged
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
    for round in 0..6 {
        expected.extend(run_and_kill(directory.path(), 40 + round * 137));
        let store = Store::open(Options::fjall(directory.path())).unwrap();
        let last = *expected.last_key_value().unwrap().0;
        assert!(store.revision() >= last, "revision {} is before {last}", store.revision());
        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        for (rev, number) in &expected {
            newest.insert(key(*number).name.to_string(), *rev);
        }
        for (name, rev) in newest {
            let entry = store.get(&Key::new("leases", "a", name.as_str())).unwrap();
            assert!(entry.rev >= rev, "{name} is at {} although {rev} was acknowledged", entry.rev);
            if let Some(number) = expected.get(&entry.rev) {
                assert_eq!(entry.object()["number"], json!(number));
            }
        }
        store.close().await;
    }
}
