//! The writing process.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use comity_core::{Value, json};
use comity_store::{EncryptionKeys, Expect, HistoryLimits, Key, Options, Store, WriteError};
use comity_testkit_preload::powerloss::{Layer, Recording};
use tempfile::TempDir;

pub const RESOURCE: &str = "leases";

const DIRECTORY: &str = "COMITY_STORE_TEST_DIRECTORY";
const NOTES: &str = "COMITY_STORE_TEST_NOTES";
const KEYS: &str = "COMITY_STORE_TEST_KEYS";
const ROUND: &str = "COMITY_STORE_TEST_ROUND";

/// The exit status of a writer whose store failed.
pub const FAILED: i32 = 3;

/// How the stores of these tests are opened: with so little memory that everything happens often.
pub fn options(directory: &Path, encryption: Option<EncryptionKeys>) -> Options {
    let history = HistoryLimits { budget: 60_000, cap: 120_000, least: Duration::ZERO, ..HistoryLimits::default() };
    Options { history, memtable: 100_000, upkeep: Duration::from_millis(10), encryption, ..Options::fjall(directory) }
}

pub fn name(number: u64) -> String {
    format!("n{}", number % 50)
}

/// The object that a write with this number writes.
pub fn object(number: u64) -> Value {
    let length = match number % 13 {
        0 => 9_000,
        other => number % 300 * 31 % 90 * other,
    };
    json!({"metadata": {"name": name(number)}, "number": number, "text": "x".repeat(length as usize)})
}

/// Writes until it is killed, and notes what it was told: `ack revision number put|delete`.
#[test]
#[ignore = "runs as the child of the other tests"]
fn child_that_writes_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let notes = std::fs::OpenOptions::new().append(true).create(true).open(std::env::var_os(NOTES).unwrap()).unwrap();
    let notes = Arc::new(notes);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let encryption = std::env::var(KEYS).ok().map(|text| EncryptionKeys::parse(&text).unwrap());
        let mut options = options(&directory, encryption);
        options.on_fatal = Some(Arc::new(|cause| {
            std::io::stderr().write_all(format!("fatal: {cause}\n").as_bytes()).unwrap();
            std::process::exit(FAILED);
        }));
        let store = Store::open(options).unwrap();
        (&*notes).write_all(format!("hub {}", store.hub_id()).as_bytes()).unwrap();
        let numbers = Arc::new(AtomicU64::new(round << 32));
        let writers = (0..8).map(|_| {
            let (store, numbers, notes) = (store.clone(), numbers.clone(), notes.clone());
            tokio::spawn(async move {
                loop {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let key = Key::new(RESOURCE, "a", name(number));
                    let deletes = number % 7 == 3;
                    let result = if deletes {
                        store.delete(key, Expect::Any, Some(&object(number))).await
                    } else {
                        store.put(key, Expect::Any, &object(number)).await
                    };
                    let entry = match result {
                        Ok(entry) => entry,
                        Err(WriteError::Conflict { .. }) => continue,
                        // The hook ends the process.
                        Err(_) => {
                            std::future::pending::<()>().await;
                            return;
                        }
                    };
                    let kind = if deletes { "delete" } else { "put" };
                    (&*notes).write_all(format!("ack {} {number} {kind}", entry.rev).as_bytes()).unwrap();
                    // Tells the parent when to kill.
                    std::io::stdout().lock().write_all(b"+\n").unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

/// A folder with a store's folder in it, and what writers did there.
pub struct Bench {
    folder: TempDir,
    /// Whether values are encrypted, with another key in each round.
    encrypted: bool,
}

/// How a writer ended.
pub struct Ended {
    pub recording: Recording,
    pub status: ExitStatus,
    pub errors: String,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(false)
    }

    pub fn with(encrypted: bool) -> Bench {
        // What is on these disks is decided by the recording; real ones would only be slower.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        Bench { folder, encrypted }
    }

    /// How the stores of a round are opened: with a new key, and with the one before for what is still sealed with it.
    pub fn options(&self, disk: &Path, round: u64) -> Options {
        let keys = self.keys(round).map(|text| EncryptionKeys::parse(&text).unwrap());
        options(&disk.join("store"), keys)
    }

    fn keys(&self, round: u64) -> Option<String> {
        let line = |round: u64| format!("{}{}=", char::from(b'A' + (round % 26) as u8), "A".repeat(42));
        self.encrypted.then(|| format!("{}\n{}\n", line(round), line(round + 25)))
    }

    /// What is recorded.
    pub fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// The same disk after it was replaced by another one.
    pub fn replace_disk(&self, with: &Path) {
        std::fs::remove_dir_all(self.disk()).unwrap();
        std::fs::rename(with, self.disk()).unwrap();
    }

    /// A folder for an image that does not exist yet.
    pub fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Lets a writer write until it has so many acknowledgements, then kills it, unless it ended before.
    pub fn write(&self, round: u64, writes: u64, configure: impl FnOnce(Layer) -> Layer) -> Ended {
        self.write_until(round, writes, configure, |child| child.kill().unwrap())
    }

    /// The same with something else than a kill; the writer then has to end by itself.
    pub fn write_until(&self, round: u64, writes: u64, configure: impl FnOnce(Layer) -> Layer, then: impl Fn(&mut Child)) -> Ended {
        let (log, notes) = (self.folder.path().join("log"), self.folder.path().join("notes"));
        let _ = std::fs::remove_file(&log);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "writer::child_that_writes_until_killed", "--ignored", "--nocapture"]);
        command.env(DIRECTORY, self.disk().join("store")).env(NOTES, &notes).env(ROUND, round.to_string());
        if let Some(keys) = self.keys(round) {
            command.env(KEYS, keys);
        }
        configure(Layer::new(&self.disk(), &log).notes(&notes)).apply(&mut command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut acknowledged = 0;
        while lines.read_line(&mut line).unwrap() > 0 {
            acknowledged += u64::from(line == "+\n");
            line.clear();
            if acknowledged == writes {
                then(&mut child);
            }
        }
        let status = child.wait().unwrap();
        Ended { recording: Recording::read(&log).unwrap(), status, errors: errors.join().unwrap() }
    }
}
