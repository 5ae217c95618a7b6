//! `cargo xtask docs`: the command reference.
//!
//! The page is written by the test that keeps it fresh (`crates/personalities/tests/reference.rs`), because that one may see the
//! command definitions without this crate having to build them.

use std::process::Command;

use anyhow::{Context, bail};

use crate::run::top;

/// Writes `docs/reference/cli.md`.
pub fn write() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(top()).env("UPDATE_REFERENCE", "1");
    let status = command.args(["test", "--quiet", "--package", "comity-personalities", "--test", "reference"]).status();
    let status = status.context("start cargo")?;
    if !status.success() {
        bail!("the command reference could not be written: {status}");
    }
    Ok(())
}
