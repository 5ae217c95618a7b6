//! Starting a process under the layer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a process is recorded with.
#[derive(Clone, Debug)]
pub struct Layer {
    root: PathBuf,
    log: PathBuf,
    notes: Option<PathBuf>,
    failing_sync: Option<u64>,
    full: Option<PathBuf>,
}

impl Layer {
    /// Records the files below `root` (an absolute path without links) in `log`, which lies elsewhere.
    pub fn new(root: &Path, log: &Path) -> Layer {
        Layer { root: root.to_owned(), log: log.to_owned(), notes: None, failing_sync: None, full: None }
    }

    /// What the process writes to this file, outside the root, becomes notes in the recording.
    pub fn notes(mut self, path: &Path) -> Layer {
        self.notes = Some(path.to_owned());
        self
    }

    /// The sync with this number, from 1 on, fails with an IO error; what it should have kept may be lost.
    pub fn failing_sync(mut self, number: u64) -> Layer {
        self.failing_sync = Some(number);
        self
    }

    /// While this file exists, the disk is full: a write is cut short, the next ones fail.
    pub fn full_while(mut self, path: &Path) -> Layer {
        self.full = Some(path.to_owned());
        self
    }

    /// The environment of a process that runs under the layer.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![
            ("LD_PRELOAD", concat!(env!("OUT_DIR"), "/libpowerloss.so").into()),
            ("POWERLOSS_ROOT", self.root.clone().into()),
            ("POWERLOSS_LOG", self.log.clone().into()),
        ];
        for (name, path) in [("POWERLOSS_NOTES", &self.notes), ("POWERLOSS_FULL", &self.full)] {
            variables.extend(path.clone().map(|path| (name, path.into())));
        }
        variables.extend(self.failing_sync.map(|number| ("POWERLOSS_SYNC_ERROR", number.to_string().into())));
        variables
    }

    /// Makes a process run under the layer.
    pub fn apply(&self, command: &mut Command) {
        command.envs(self.variables());
    }
}
