//! Key files: owner-readable only, replaced as a whole.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::error::PkiError;

/// Creates the directory, open to its owner alone.
pub(crate) fn directory(path: &Path) -> Result<(), PkiError> {
    let missing = path.ancestors().take_while(|folder| !folder.exists()).count();
    std::fs::create_dir_all(path).map_err(PkiError::file("creating", path))?;
    // A key that a power failure takes away is made anew, and nobody trusts the new one: the folders' names are synced.
    for folder in path.ancestors().skip(1).take(missing).filter(|folder| !folder.as_os_str().is_empty()) {
        let synced = File::open(folder).and_then(|opened| opened.sync_all());
        synced.map_err(PkiError::file("syncing", folder))?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(PkiError::file("protecting", path))?;
    }
    Ok(())
}

/// Writes a file next to its place and moves it there once it is on disk.
pub(crate) fn write(path: &Path, content: &str) -> Result<(), PkiError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = parent.join(format!(".{name}.{}.new", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary).map_err(PkiError::file("creating", &temporary))?;
    let written = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(PkiError::file("writing", &temporary))?;
    std::fs::rename(&temporary, path).map_err(PkiError::file("replacing", path))?;
    // The name itself has to survive a power failure, too.
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.map_err(PkiError::file("syncing", parent))
}

pub(crate) fn read(path: &Path) -> Result<String, PkiError> {
    std::fs::read_to_string(path).map_err(PkiError::file("reading", path))
}

/// Whether the file is there; an error when that cannot be known.
pub(crate) fn exists(path: &Path) -> Result<bool, PkiError> {
    path.try_exists().map_err(PkiError::file("looking for", path))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_and_directories_are_their_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let keys = root.path().join("a/keys");
        directory(&keys).unwrap();
        let path = keys.join("x.key");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&keys), mode(&path)), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 1, "nothing temporary stays");
    }

    #[test]
    fn errors_name_the_file() {
        let error = read(Path::new("/nowhere/ca.key")).unwrap_err().to_string();
        assert!(error.starts_with("reading /nowhere/ca.key: "), "{error}");
    }
}
