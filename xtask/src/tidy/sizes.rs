//! No file grows over a thousand lines.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::top;

const LIMIT: usize = 1000;

/// Files that no hand writes.
const GENERATED: [&str; 3] = ["Cargo.lock", "tests/real/go.sum", "crates/schema/data/README.md"];

/// Files over the limit.
pub fn check(files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| !GENERATED.iter().any(|known| Path::new(known) == path.as_path())) {
        let Ok(text) = String::from_utf8(fs::read(top().join(path))?) else { continue };
        let lines = text.lines().count();
        if lines > LIMIT {
            problems.push(format!("{}: {lines} lines, the limit is {LIMIT}", path.display()));
        }
    }
    Ok(problems)
}
