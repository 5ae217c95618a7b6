//! Where built control planes and downloaded clients live, and what a test does when they are missing.

use std::env;
use std::path::{Path, PathBuf};

/// Version of the real control plane that `cargo xtask real` builds; `tests/real/go.mod` requires the same one.
pub const KUBERNETES: &str = "v1.36.3";

/// Minor versions of the stock clients that `cargo xtask tools` downloads, newest first.
pub const CLIENTS: [&str; 2] = ["v1.36", "v1.32"];

/// Programs of a real control plane.
pub const CONTROL_PLANE: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// The cache folder: `COMITY_CACHE`, else `~/.cache/comity`.
pub fn folder() -> PathBuf {
    match env::var_os("COMITY_CACHE") {
        Some(set) if !set.is_empty() => PathBuf::from(set),
        _ => PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache").join("comity"),
    }
}

/// Folder of the programs of a real control plane.
pub fn control_plane() -> PathBuf {
    folder().join("real").join(KUBERNETES)
}

/// Folder of the stock clients of a minor version such as `v1.36`.
pub fn clients(minor: &str) -> PathBuf {
    folder().join("tools").join(minor)
}

/// A program in a folder, if it is there.
pub fn program(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    path.is_file().then_some(path)
}

/// What to do about a missing program: `Err` with one line that says how to get it.
pub fn require(folder: &Path, name: &str, command: &str) -> anyhow::Result<PathBuf> {
    program(folder, name).ok_or_else(|| anyhow::anyhow!("{name} is not in {}: run `{command}` first", folder.display()))
}

/// Whether this run must not skip anything (the variable CI is set).
pub fn skipping_is_failing() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Returns the value, or prints one line and returns `None`; with CI set a missing tool fails the test instead.
///
/// ```no_run
/// # use comity_testkit_core::{cache::tool_or_skip, real::{RealCluster, Parts}};
/// let Some(cluster) = tool_or_skip("pods get default values", RealCluster::find(Parts::ApiServer)) else { return };
/// ```
#[allow(clippy::print_stderr, clippy::panic)]
pub fn tool_or_skip<T>(test: &str, found: anyhow::Result<T>) -> Option<T> {
    match found {
        Ok(value) => Some(value),
        Err(missing) if skipping_is_failing() => panic!("{test}: {missing:#}"),
        Err(missing) => {
            eprintln!("skipped: {test}: {missing:#}");
            None
        }
    }
}
