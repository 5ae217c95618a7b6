//! The data folder: what lies where, its format, and who holds it.
//!
//! ```text
//! <data>/format            number of the data format
//! <data>/lock              held while a process runs on the folder; its content names the holder
//! <data>/ports.json        ports, chosen once
//! <data>/kubeconfig        contexts of hub and members, 0600
//! <data>/bin/              links for the PATH
//! <data>/hub/              pki/ and store/ of the hub
//! <data>/members/<name>/   pki/ and store/ of an embedded member
//! ```

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::StartError;

/// Format of the data folder that this program writes.
pub const FORMAT: u32 = 1;

/// A data folder, locked for this process until dropped.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
    _lock: File,
}

/// `$XDG_DATA_HOME/comity/<profile>`, or the same below `~/.local/share`.
///
/// # Errors
/// Neither variable is set.
pub fn default_data_dir(profile: &str) -> Result<PathBuf, StartError> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|h| h.join(".local/share"))).ok_or(StartError::NoHome)?;
    Ok(base.join("comity").join(profile))
}

impl Layout {
    /// Opens (or makes) a data folder for this process alone; `reset` empties it first.
    ///
    /// # Errors
    /// Another process holds it, its format is newer, or the disk refuses.
    pub fn open(root: &Path, reset: bool) -> Result<Self, StartError> {
        make_dir(root)?;
        let lock = lock(root)?;
        if reset {
            empty(root)?;
        }
        check_format(root)?;
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// File with the chosen ports.
    pub fn ports(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// Where the kubeconfig is written by default.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Folder with links for the `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// Folder of one API server: the hub, or a member.
    pub fn server(&self, role: &ServerRole) -> PathBuf {
        match role {
            ServerRole::Hub => self.root.join("hub"),
            ServerRole::Member(name) => self.root.join("members").join(name),
        }
    }
}

/// Which API server of a data folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerRole {
    /// The hub.
    Hub,
    /// An embedded member, by name.
    Member(String),
}

impl ServerRole {
    /// `hub`, or the member's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Hub => "hub",
            Self::Member(name) => name,
        }
    }

    /// The kubeconfig context: `host-context`, or `<member>-context`.
    pub fn context(&self) -> String {
        match self {
            Self::Hub => "host-context".to_owned(),
            Self::Member(name) => format!("{name}-context"),
        }
    }
}

/// Makes a folder (and its parents) that only its owner can read.
///
/// # Errors
/// The disk refuses.
pub fn make_dir(path: &Path) -> Result<(), StartError> {
    let missing = path.ancestors().take_while(|folder| !folder.exists()).count();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StartError::file("cannot make folder", path))?;
    // The names of new folders are on disk before anything in them is relied on.
    for folder in path.ancestors().skip(1).take(missing).filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|opened| opened.sync_all()).map_err(StartError::file("cannot sync folder", folder))?;
    }
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// The disk refuses.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), StartError> {
    let fail = || StartError::file("cannot write", path);
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary).map_err(fail())?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(fail())?;
    fs::rename(&temporary, path).map_err(fail())?;
    // Its name is on disk too: a port or a format must not be another one after a power failure.
    let synced = path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all());
    synced.map_err(fail())
}

fn lock(root: &Path) -> Result<File, StartError> {
    let path = root.join("lock");
    let fail = || StartError::file("cannot lock", &path);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(fail())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(StartError::InUse { path: root.to_owned(), holder: holder.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(fail()(error)),
    }
    file.set_len(0).map_err(fail())?;
    file.write_all(format!("process {}\n", std::process::id()).as_bytes()).map_err(fail())?;
    Ok(file)
}

/// Removes everything but the lock; only what a data folder of ours holds is touched.
fn empty(root: &Path) -> Result<(), StartError> {
    for name in ["hub", "members", "bin"] {
        let path = root.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(StartError::file("cannot remove", path))?;
        }
    }
    for name in ["format", "ports.json", "kubeconfig"] {
        let path = root.join(name);
        if path.exists() {
            fs::remove_file(&path).map_err(StartError::file("cannot remove", path))?;
        }
    }
    Ok(())
}

fn check_format(root: &Path) -> Result<(), StartError> {
    let path = root.join("format");
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(found) if found <= FORMAT => Ok(()),
            Ok(found) => Err(StartError::NewerFormat { path: root.to_owned(), found, known: FORMAT }),
            Err(error) => Err(StartError::Content { path, why: error.to_string() }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => write_private(&path, format!("{FORMAT}\n").as_bytes()),
        Err(error) => Err(StartError::File { what: "cannot read", path, source: error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Layout::open(folder.path(), false).unwrap());
        fs::write(folder.path().join("format"), "2\n").unwrap();
        let error = Layout::open(folder.path(), false).unwrap_err();
        assert!(error.to_string().contains("has data format 2, this program knows up to 1"), "{error}");
    }

    #[test]
    fn a_second_process_hears_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _held = Layout::open(folder.path(), false).unwrap();
        let error = Layout::open(folder.path(), false).unwrap_err();
        assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    }

    #[test]
    fn reset_removes_only_our_own_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.txt"), "x").unwrap();
        fs::create_dir_all(folder.path().join("hub/store")).unwrap();
        Layout::open(folder.path(), true).unwrap();
        assert!(folder.path().join("mine.txt").exists());
        assert!(!folder.path().join("hub").exists());
    }
}
