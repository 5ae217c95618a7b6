//! Child processes that never outlive the test, whatever ends it.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use anyhow::Context;

/// A running program whose output goes to a file. Dropping it kills it; so does the end of this process, even by SIGKILL.
#[derive(Debug)]
pub struct Bound {
    child: Child,
    leash: Option<ChildStdin>,
    log: PathBuf,
}

/// The program replaces the shell; a sibling kills it when the pipe on standard input closes, which the kernel does
/// when this process ends in whatever way.
const LEASH: &str = r#"exec 3<&0; { cat <&3; kill -9 $$; } >/dev/null 2>&1 & exec "$@" 3<&- </dev/null"#;

/// A command line that runs a program on a leash: it ends when its standard input (to be a pipe) closes.
pub fn leashed(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(LEASH).arg("sh").arg(program).stdin(Stdio::piped());
    command
}

impl Bound {
    /// Starts a program with its output in `log`.
    pub fn start<A: AsRef<OsStr>>(program: &Path, arguments: &[A], log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let mut child = leashed(program)
            .args(arguments)
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let leash = child.stdin.take();
        Ok(Self { child, leash, log: log.to_owned() })
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of its output, for error messages.
    pub fn last_lines(&self, count: usize) -> String {
        let text = std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.leash.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_leashed_program_ends_when_the_pipe_closes() {
        let mut child = leashed(Path::new("/bin/sh")).args(["-c", "echo started; exec sleep 600"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut first = [0; 8];
        out.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"started\n");
        drop(child.stdin.take());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_bound_program_keeps_its_output_and_its_exit_code() {
        let dir = tempfile::tempdir().unwrap();
        let mut bound = Bound::start(Path::new("/bin/sh"), &["-c", "echo one; echo two >&2; exit 3"], &dir.path().join("log")).unwrap();
        let status = bound.child.wait().unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(bound.last_lines(1), "two");
    }
}
