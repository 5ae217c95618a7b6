//! What the layer wrote down.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One thing that a process did; paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file was made.
    Create {
        /// Its name.
        path: PathBuf,
        /// Its number in the file system, which may be used again after a removal.
        inode: u64,
    },
    /// A file that was there was opened.
    Open {
        /// Its name.
        path: PathBuf,
        /// Its number.
        inode: u64,
    },
    /// Data was written.
    Write {
        /// To which file.
        inode: u64,
        /// Where.
        offset: u64,
        /// What.
        data: Vec<u8>,
    },
    /// A file got a size.
    Truncate {
        /// Which file.
        inode: u64,
        /// Its new size.
        size: u64,
    },
    /// A name was changed; what had the new name before is gone.
    Rename {
        /// The old name.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// A name was removed.
    Remove {
        /// The name.
        path: PathBuf,
    },
    /// A folder was made.
    MakeDir {
        /// Its name.
        path: PathBuf,
    },
    /// A sync of a file was asked for.
    SyncFile {
        /// Which file.
        inode: u64,
        /// The number of the sync.
        id: u64,
    },
    /// A sync of a folder was asked for.
    SyncDir {
        /// Which folder.
        path: PathBuf,
        /// The number of the sync.
        id: u64,
    },
    /// A sync came back.
    SyncEnd {
        /// The number of the sync.
        id: u64,
        /// Whether it succeeded.
        success: bool,
    },
    /// The process said something.
    Note(Vec<u8>),
}

/// Everything that a process did, in order.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The operations.
    pub operations: Vec<Operation>,
}

impl Recording {
    /// Reads a log. A record that the end of the process cut short did not happen.
    ///
    /// # Errors
    /// The log cannot be read or is not one.
    pub fn read(log: &Path) -> io::Result<Recording> {
        let bytes = std::fs::read(log)?;
        let mut rest = bytes.as_slice();
        let mut operations = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let Some((record, after)) = after.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
            let operation = operation(record).ok_or_else(|| {
                let what = format!("{}: record {} is none of the layer's", log.display(), operations.len());
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?;
            operations.push(operation);
            rest = after;
        }
        Ok(Recording { operations })
    }

    /// The notes, each with the number of operations up to and including it.
    pub fn notes(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.operations.iter().enumerate().filter_map(|(index, operation)| match operation {
            Operation::Note(text) => Some((index + 1, text.as_slice())),
            _ => None,
        })
    }
}

fn operation(record: &[u8]) -> Option<Operation> {
    let (kind, rest) = record.split_first()?;
    let (one, rest) = rest.split_first_chunk::<8>()?;
    let (two, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (first, second) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let (one, two) = (u64::from_le_bytes(*one), u64::from_le_bytes(*two));
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    Some(match kind {
        1 => Operation::Create { path: path(first), inode: one },
        2 => Operation::Open { path: path(first), inode: one },
        3 => Operation::Write { inode: one, offset: two, data: second.to_vec() },
        4 => Operation::Truncate { inode: one, size: two },
        5 => Operation::Rename { from: path(first), to: path(second) },
        6 => Operation::Remove { path: path(first) },
        7 => Operation::MakeDir { path: path(first) },
        8 => Operation::SyncFile { inode: one, id: two },
        9 => Operation::SyncDir { path: path(first), id: two },
        10 => Operation::SyncEnd { id: one, success: two == 1 },
        11 => Operation::Note(second.to_vec()),
        _ => return None,
    })
}
