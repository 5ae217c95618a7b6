//! The stamp that ties a recording to what it was made from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::run::top;

/// SHA-256 over the pinned versions, the fixtures and the recorder's sources, in hexadecimal.
pub fn stamp() -> anyhow::Result<String> {
    let top = top();
    let mut files = vec![top.join("tests/real/go.mod")];
    collect(&top.join("xtask/fixtures"), &mut files)?;
    collect(&top.join("xtask/src/record"), &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let text = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        hash.update(file.strip_prefix(&top).unwrap_or(&file).to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(text.len().to_le_bytes());
        hash.update(&text);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}
