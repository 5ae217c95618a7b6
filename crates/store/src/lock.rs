//! One process per store directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::OpenError;

/// Holds the directory until dropped.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Locks the directory or says who holds it.
    pub fn take(directory: &Path) -> Result<Lock, OpenError> {
        let path = directory.join("in-use");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(OpenError::io("opening", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // What cannot be read names nobody.
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "another process".into() } else { holder.trim().to_owned() };
                return Err(OpenError::InUse { path: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::io("locking", &path)(error)),
        }
        let program = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
        let text = format!("process {} {program}", std::process::id());
        let write = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", text.trim_end()));
        write.map_err(OpenError::io("writing", &path))?;
        Ok(Lock { _file: file })
    }
}
