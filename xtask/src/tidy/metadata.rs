//! What cargo and git know about the repository.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use crate::run::{output, top};

/// `cargo metadata`, as far as checks need it.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// All packages of the dependency graph.
    pub packages: Vec<Package>,
    /// Ids of the packages of this workspace.
    pub workspace_members: Vec<String>,
}

/// A package.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Id.
    pub id: String,
    /// SPDX expression.
    pub license: Option<String>,
    /// Where it comes from; none for packages of the workspace.
    pub source: Option<String>,
    /// Its Cargo.toml.
    pub manifest_path: PathBuf,
    /// Declared dependencies.
    pub dependencies: Vec<Dependency>,
}

/// A declared dependency.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// Name of the package.
    pub name: String,
    /// `dev`, `build`, or none.
    pub kind: Option<String>,
}

impl Metadata {
    /// Asks cargo, for this machine's platform only (others would have to be downloaded).
    pub fn read() -> anyhow::Result<Self> {
        let rustc = output(Command::new("rustc").arg("-vV"), "install Rust")?;
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not name its host")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(top()).args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
        serde_json::from_str(&output(&mut command, "install Rust")?).context("read cargo metadata")
    }

    /// Packages of this workspace.
    pub fn own(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}

impl Package {
    /// Path of its folder below the top, such as `crates/core`.
    pub fn folder(&self) -> String {
        let folder = self.manifest_path.parent().unwrap_or(&self.manifest_path);
        folder.strip_prefix(top()).unwrap_or(folder).to_string_lossy().into_owned()
    }
}

/// Files that git tracks or would track, relative to the top. Empty outside a clone (in a source archive).
pub fn tracked_files() -> anyhow::Result<Vec<PathBuf>> {
    if !top().join(".git").exists() {
        return Ok(Vec::new());
    }
    let mut command = Command::new("git");
    command.current_dir(top()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = output(&mut command, "install git")?;
    Ok(listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).filter(|path| top().join(path).is_file()).collect())
}
