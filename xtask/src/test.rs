//! `cargo xtask test`: everything the tests need, then all of them.

use std::process::Command;

use anyhow::{Context, bail};
use comity_testkit_core::cache;

use crate::{
    real,
    run::{say, top},
    tools,
};

/// Fetches stock clients and builds the real control plane, then runs every test of the workspace.
///
/// What cannot be had here is named; its tests then count as skipped, except in CI, where that is a failure.
pub fn test() -> anyhow::Result<()> {
    for (what, outcome) in [("stock kubectl and helm", tools::fetch()), ("the real control plane", real::build())] {
        match outcome {
            Ok(()) => {}
            Err(error) if cache::skipping_is_failing() => return Err(error.context(what)),
            Err(error) => say(&format!("warning: tests that need {what} will be skipped: {error:#}")),
        }
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).current_dir(top()).args(["test", "--workspace", "--locked"]).status().context("start cargo")?;
    if !status.success() {
        bail!("tests failed: {status}");
    }
    Ok(())
}
