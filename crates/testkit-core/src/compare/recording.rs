//! Recorded answers of the real server, one file per script, one line per answer.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::answer::{Recorded, send};
use super::script::{Script, load};
use crate::cache;
use crate::client::Client;

/// The answers to one script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// Version of the server.
    pub kubernetes: String,
    /// Hash of the script.
    pub script: String,
    /// Its answers.
    #[serde(skip)]
    pub answers: Vec<Recorded>,
}

/// Folder of the scripts inside a clone whose top is given.
pub fn scripts_folder(top: &Path) -> PathBuf {
    top.join("crates/apiserver/tests/compare")
}

fn file(scripts: &Path, script: &Script) -> PathBuf {
    scripts.join("recorded").join(format!("{}.jsonl", script.name))
}

/// Sends all scripts to the real server and writes its answers down.
pub fn record(scripts: &Path, client: &Client) -> anyhow::Result<usize> {
    fs::create_dir_all(scripts.join("recorded"))?;
    let mut count = 0;
    for script in load(scripts)? {
        let answers = send(&script, client)?;
        let head = Recording { kubernetes: cache::KUBERNETES.to_owned(), script: script.hash.clone(), answers: Vec::new() };
        let mut text = serde_json::to_string(&head)?;
        for answer in &answers {
            text.push('\n');
            text.push_str(&serde_json::to_string(answer)?);
        }
        text.push('\n');
        let path = file(scripts, &script);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        count += answers.len();
    }
    Ok(count)
}

/// Reads the recording of a script.
pub fn read(scripts: &Path, script: &Script) -> anyhow::Result<Recording> {
    let path = file(scripts, script);
    let what = || format!("{}: run `cargo xtask record`", path.display());
    let text = fs::read_to_string(&path).with_context(what)?;
    let mut lines = text.lines();
    let mut recording: Recording = serde_json::from_str(lines.next().unwrap_or_default()).with_context(what)?;
    recording.answers = lines.map(serde_json::from_str).collect::<Result<_, _>>().with_context(what)?;
    Ok(recording)
}

/// Recordings that do not belong to the script or the version of this tree.
pub fn stale(scripts: &Path) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for script in load(scripts)? {
        match read(scripts, &script) {
            Err(error) => problems.push(format!("{error:#}")),
            Ok(recording) if recording.script != script.hash || recording.kubernetes != cache::KUBERNETES => {
                problems.push(format!("{}.yaml changed since its recording: run `cargo xtask record`", script.name));
            }
            Ok(_) => {}
        }
    }
    Ok(problems)
}
