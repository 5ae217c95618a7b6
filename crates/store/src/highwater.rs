//! The side file that remembers the last acknowledged revision, so that a lost tail is noticed.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::backend::place::sync_folder_of;
use crate::error::OpenError;

const NAME: &str = "high-water";

/// Replaces the file.
pub(crate) fn write(directory: &Path, rev: u64) -> std::io::Result<()> {
    let temporary = directory.join("high-water.new");
    let mut file = File::create(&temporary)?;
    file.write_all(format!("{rev}\n").as_bytes())?;
    file.sync_all()?;
    let path = directory.join(NAME);
    std::fs::rename(temporary, &path)?;
    sync_folder_of(&path)
}

/// The remembered revision; 0 when there is none.
pub(crate) fn read(directory: &Path) -> Result<u64, OpenError> {
    let path = directory.join(NAME);
    match std::fs::read_to_string(&path) {
        // The file is replaced as a whole; an empty one comes from a file system that lost its content.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(OpenError::io("reading", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_written_revision_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), 0);
        write(directory.path(), 41).unwrap();
        write(directory.path(), 42).unwrap();
        assert_eq!(read(directory.path()).unwrap(), 42);
    }
}
