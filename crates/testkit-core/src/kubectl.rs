//! Stock kubectl, run as a user would.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;
use crate::run::{Ran, run};

/// A stock kubectl of one version that talks to one cluster, with a home folder of its own.
#[derive(Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: tempfile::TempDir,
}

impl Kubectl {
    /// The kubectl of a minor version (`v1.36`), if `cargo xtask tools` has fetched it.
    pub fn find(minor: &str, kubeconfig: &Path) -> anyhow::Result<Self> {
        let program = cache::require(&cache::clients(minor), "kubectl", "cargo xtask tools")?;
        Ok(Self { program, kubeconfig: kubeconfig.to_owned(), home: tempfile::tempdir()? })
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.run_with(arguments, "")
    }

    /// Runs it with a text on standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<Ran> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear();
        command.env("HOME", self.home.path()).env("KUBECONFIG", &self.kubeconfig);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        run(&mut command, input)
    }
}
