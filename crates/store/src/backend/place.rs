//! Where the database lies in a store's folder, and how it gets there: whole or not at all.
//!
//! A database is made in `data.new` and renamed when all of it is on disk, so a start that is interrupted leaves no
//! half of one. To be replaced, the old one first becomes `data.old`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::OpenError;

const DATA: &str = "data";
const NEW: &str = "data.new";
const OLD: &str = "data.old";

/// The database of a store's folder.
pub(crate) fn data(directory: &Path) -> PathBuf {
    directory.join(DATA)
}

/// Finishes or takes back what a crash interrupted. The caller holds the folder's lock.
pub(crate) fn settle(directory: &Path) -> Result<(), OpenError> {
    let (data, old) = (data(directory), directory.join(OLD));
    if old.exists() && !data.exists() {
        rename(&old, &data)?;
    }
    remove(&directory.join(NEW))?;
    remove(&old)
}

/// Makes the database when there is none. `make` makes it in the folder it is given and has closed it when it returns.
pub(crate) fn create(directory: &Path, make: impl FnOnce(&Path) -> Result<(), OpenError>) -> Result<(), OpenError> {
    if data(directory).exists() {
        return Ok(());
    }
    let new = directory.join(NEW);
    make(&new)?;
    sync_tree(&new).map_err(OpenError::io("syncing", &new))?;
    rename(&new, &data(directory))?;
    // The folder itself may be as new as what is in it.
    for folder in directory.ancestors().skip(1) {
        // One that may not be opened was not made by this process.
        let Ok(opened) = File::open(folder) else { break };
        opened.sync_all().map_err(OpenError::io("syncing", folder))?;
    }
    Ok(())
}

/// Replaces the database. `make` gets the open one, closes it, and is as above.
pub(crate) fn replace<T>(directory: &Path, open: T, make: impl FnOnce(T, &Path) -> Result<(), OpenError>) -> Result<(), OpenError> {
    let (data, new, old) = (data(directory), directory.join(NEW), directory.join(OLD));
    make(open, &new)?;
    sync_tree(&new).map_err(OpenError::io("syncing", &new))?;
    rename(&data, &old)?;
    rename(&new, &data)?;
    remove(&old)
}

/// Makes a rename that survives a power failure.
fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    let renamed = std::fs::rename(from, to).and_then(|()| sync_folder_of(to));
    renamed.map_err(OpenError::io("renaming", from))
}

/// Syncs all that is in a folder. The engine syncs its files, but not the names of its keyspaces' folders.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { sync_tree(&entry.path())? } else { File::open(entry.path())?.sync_all()? }
    }
    File::open(folder)?.sync_all()
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(OpenError::io("removing", path)),
    }
}

/// Syncs the names in the folder that a path lies in.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
