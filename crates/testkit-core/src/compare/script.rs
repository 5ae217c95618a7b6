//! Scripts of requests, in YAML.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A list of requests that build on one another.
#[derive(Clone, Debug)]
pub struct Script {
    /// File name without ending.
    pub name: String,
    /// The requests.
    pub steps: Vec<Step>,
    /// SHA-256 of the file, in hexadecimal.
    pub hash: String,
}

/// A request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it is about, unique in its script.
    pub name: String,
    /// HTTP method.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query; `${x}` stands for a saved value.
    pub path: String,
    /// Headers besides the token. A body is JSON unless Content-Type says otherwise.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// JSON body; `${x}` in texts stands for a saved value.
    #[serde(default)]
    pub body: Option<Value>,
    /// Body that is no JSON.
    #[serde(default)]
    pub text: Option<String>,
    /// Sent without a token.
    #[serde(default)]
    pub anonymous: bool,
    /// Values to save from the answer: name → JSON pointer.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// Sent again until it is answered with this status (for what the server does by and by).
    #[serde(default)]
    pub until_status: Option<u16>,
    /// Top-level JSON pointers of the answer that are not compared, each with the reason.
    #[serde(default)]
    pub except: BTreeMap<String, String>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Reads all `.yaml` files of a folder, in the order of their names.
pub fn load(folder: &Path) -> anyhow::Result<Vec<Script>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    files.iter().map(|path| read(path).with_context(|| format!("read {}", path.display()))).collect()
}

fn read(path: &Path) -> anyhow::Result<Script> {
    let text = fs::read_to_string(path)?;
    let steps: Vec<Step> = serde_saphyr::from_str(&text)?;
    for (at, step) in steps.iter().enumerate() {
        anyhow::ensure!(steps[..at].iter().all(|other| other.name != step.name), "two steps are named `{}`", step.name);
    }
    let hash = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Script { name: path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(), steps, hash })
}
