//! The program that is measured.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// The built `comity`: the given one, or the one beside the running benchmark.
///
/// # Errors
/// There is none.
pub fn find(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("finding this program's folder")?.with_file_name("comity"),
    };
    anyhow::ensure!(
        path.is_file(),
        "there is no `comity` at {}: build it with `cargo build --release --package comity`, or say where it is with --comity",
        path.display()
    );
    path.canonicalize().with_context(|| format!("resolving {}", path.display()))
}
