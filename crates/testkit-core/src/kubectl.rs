//! Stock kubectl, run as a user would.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::cache;

/// A stock kubectl of one version that talks to one cluster, with a home folder of its own.
#[derive(Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: tempfile::TempDir,
}

/// What a run answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code, -1 if a signal ended it.
    pub code: i32,
}

impl Ran {
    /// Standard output of a run that must have succeeded.
    pub fn ok(self) -> anyhow::Result<String> {
        anyhow::ensure!(self.code == 0, "exit code {}\n{}{}", self.code, self.stdout, self.stderr);
        Ok(self.stdout)
    }
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
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        let mut stdin = child.stdin.take().context("standard input of kubectl")?;
        let input = input.to_owned();
        // A program that does not read its input closes the pipe: no error of ours.
        let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().context("wait for kubectl")?;
        drop(writer.join());
        Ok(Ran {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        })
    }
}
