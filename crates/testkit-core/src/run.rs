//! Programs that run to their end.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::Context;

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

    /// Standard error of a run that must have failed.
    pub fn refused(self) -> anyhow::Result<String> {
        anyhow::ensure!(self.code != 0, "it was to fail, but answered\n{}", self.stdout);
        Ok(self.stderr)
    }
}

/// Runs a command to its end, with a text on standard input.
pub fn run(command: &mut Command, input: &str) -> anyhow::Result<Ran> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().with_context(|| format!("start {name}"))?;
    let mut stdin = child.stdin.take().with_context(|| format!("standard input of {name}"))?;
    let input = input.to_owned();
    // A program that does not read its input closes the pipe: no error of ours.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().with_context(|| format!("wait for {name}"))?;
    drop(writer.join());
    Ok(Ran {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(-1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_errors_and_exit_code_are_told_apart() {
        let ran = run(Command::new("/bin/sh").args(["-c", "cat; echo bad >&2; exit 4"]), "in").unwrap();
        assert_eq!(ran, Ran { stdout: "in".into(), stderr: "bad\n".into(), code: 4 });
        assert!(ran.clone().ok().is_err());
        assert_eq!(ran.refused().unwrap(), "bad\n");
    }
}
