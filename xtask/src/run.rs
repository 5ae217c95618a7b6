//! Paths of the repository and programs that tasks run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Top of the repository.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A progress line.
#[allow(clippy::print_stderr)]
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// Runs a program to its end and returns its standard output; `missing` says what to install if it does not exist.
pub fn output(command: &mut Command, missing: &str) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!("{name} is not installed: {missing}"),
        other => other.with_context(|| format!("start {name}"))?,
    };
    if !output.status.success() {
        bail!("{name} failed with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
