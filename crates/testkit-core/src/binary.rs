//! The built product binary, in a home folder of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::child::leashed;
use crate::run::{Ran, run};

const START_DEADLINE: Duration = Duration::from_secs(60);

/// A throw-away home folder in which the binary runs, again and again if need be.
///
/// ```ignore
/// let home = Home::new(Path::new(env!("CARGO_BIN_EXE_comity")))?;
/// let demo = home.start(&["demo"])?;            // returns at the line `ready …`
/// home.run(&["status"])?.ok()?;
/// ```
#[derive(Debug)]
pub struct Home {
    program: PathBuf,
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    started: AtomicUsize,
}

impl Home {
    /// An empty home folder for a program, which the end-to-end tests get from cargo (`CARGO_BIN_EXE_comity`).
    pub fn new(program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("comity-home-").tempdir()?;
        Ok(Self { program: program.to_owned(), folder, variables: Vec::new(), started: AtomicUsize::new(0) })
    }

    /// Sets an environment variable for what is run from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The home folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        let mut command = Command::new(&self.program);
        self.surround(&mut command);
        run(command.args(arguments), "")
    }

    /// Starts the program and waits until it prints a line that begins with `ready`.
    pub fn start(&self, arguments: &[&str]) -> anyhow::Result<Running> {
        let mut command = leashed(&self.program);
        self.surround(&mut command);
        let log = self.path().join(format!("stderr-{}.log", self.started.fetch_add(1, Ordering::Relaxed)));
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).with_context(|| format!("create {}", log.display()))?)
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        let leash = child.stdin.take();
        let stdout = child.stdout.take().context("standard output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listening any more is fine; the pipe must be emptied all the same.
                let _ = sender.send(line);
            }
        });
        let mut running = Running { child, leash, lines, printed: Vec::new(), log };
        running.wait_line("ready", START_DEADLINE)?;
        Ok(running)
    }

    fn surround(&self, command: &mut Command) {
        command.current_dir(self.path()).env("HOME", self.path());
        for inherited in ["KUBECONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "RUST_LOG"] {
            command.env_remove(inherited);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

/// A started binary. Dropping it kills it; so does the end of the test, even by SIGKILL.
#[derive(Debug)]
pub struct Running {
    child: Child,
    leash: Option<ChildStdin>,
    lines: Receiver<String>,
    printed: Vec<String>,
    log: PathBuf,
}

impl Running {
    /// All lines of standard output up to the last one waited for.
    pub fn printed(&self) -> &[String] {
        &self.printed
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits for a line that begins with `prefix` and returns it.
    pub fn wait_line(&mut self, prefix: &str, patience: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if line.starts_with(prefix) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("no line `{prefix}…` after {patience:?}\n{}", self.story()),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().context("wait for the binary")?;
                    bail!("ended with {status} before a line `{prefix}…`\n{}", self.story());
                }
            }
        }
    }

    fn story(&self) -> String {
        format!("{}\n{}", self.printed.join("\n"), self.log())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<ExitStatus> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().context("send SIGTERM")?;
        self.child.wait().context("wait for the binary")
    }

    /// Waits until it ends by itself; returns its status and what it wrote to standard error.
    pub fn ended(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let status = self.child.wait().context("wait for the binary")?;
        Ok((status, self.log()))
    }

    /// Ends it at once (SIGKILL), as a crash would.
    pub fn kill(mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill().context("send SIGKILL")?;
        self.child.wait().context("wait for the binary")
    }
}

impl Drop for Running {
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

    fn shell(script: &str) -> (Home, anyhow::Result<Running>) {
        let home = Home::new(Path::new("/bin/sh")).unwrap();
        let running = home.start(&["-c", script]);
        (home, running)
    }

    #[test]
    fn a_start_returns_at_the_ready_line() {
        let (home, running) = shell("echo one; echo ready at $HOME; exec sleep 600");
        let running = running.unwrap();
        assert_eq!(running.printed(), ["one".to_owned(), format!("ready at {}", home.path().display())]);
        assert_eq!(running.stop().unwrap().code(), None);
    }

    #[test]
    fn a_start_that_ends_early_tells_what_was_said() {
        let (_home, running) = shell("echo one; echo why >&2; exit 7");
        let message = format!("{:#}", running.unwrap_err());
        assert!(message.contains("exit status: 7") && message.contains("one") && message.contains("why"), "{message}");
    }
}
