//! Cures a journal whose last batch reached the disk only in part.
//!
//! When power fails during a sync, the blocks of the batch being written may be there in any combination. The engine
//! drops a batch whose end is missing, but refuses to open when the end is there and something before it is not. Such a
//! batch was never acknowledged; it is cut off and kept beside the database. Whether something acknowledged is gone is
//! found out later, by the high-water file and the log's revisions.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// A cut that can be undone.
pub(crate) struct Cut {
    journal: PathBuf,
    at: u64,
    length: u64,
    kept: PathBuf,
}

/// Cuts the last batch off the newest journal; nothing when there is none.
pub(crate) fn cut_last_batch(data: &Path, keep_in: &Path) -> std::io::Result<Option<Cut>> {
    let Some(journal) = newest_journal(data)? else { return Ok(None) };
    let mut file = OpenOptions::new().read(true).write(true).open(&journal)?;
    let length = file.metadata()?.len();
    let Some(at) = last_batch(&mut BufReader::new(&file), length)? else { return Ok(None) };
    let kept = keep_in.join("torn-tail");
    file.seek(SeekFrom::Start(at))?;
    let mut copy = File::create(&kept)?;
    std::io::copy(&mut file, &mut copy)?;
    copy.sync_all()?;
    file.set_len(at)?;
    file.sync_all()?;
    Ok(Some(Cut { journal, at, length, kept }))
}

impl Cut {
    /// Where the cut bytes are kept.
    pub fn kept(&self) -> &Path {
        &self.kept
    }

    /// Puts everything back.
    pub fn undo(self) -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.journal)?;
        file.seek(SeekFrom::Start(self.at))?;
        file.write_all(&std::fs::read(&self.kept)?)?;
        file.set_len(self.length)?;
        file.sync_all()?;
        std::fs::remove_file(&self.kept)
    }
}

fn newest_journal(data: &Path) -> std::io::Result<Option<PathBuf>> {
    let mut newest = None;
    for file in std::fs::read_dir(data)? {
        let path = file?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        if let Some(number) = number {
            newest = newest.max(Some((number, path)));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Where the last batch that has a start and an end begins.
fn last_batch(reader: &mut BufReader<&File>, length: u64) -> std::io::Result<Option<u64>> {
    let (mut at, mut start, mut last) = (0u64, None, None);
    loop {
        let mut tag = [0];
        if at >= length || reader.read(&mut tag)? == 0 {
            return Ok(last);
        }
        let rest = match tag {
            [START] => {
                start = Some(at);
                12
            }
            [ITEM] => {
                // Value type, compression and keyspace; then the lengths of key, value and stored value.
                let mut head = [0; 20];
                if reader.read_exact(&mut head).is_err() {
                    return Ok(last);
                }
                let [.., k0, k1, _, _, _, _, v0, v1, v2, v3] = head;
                at += 20;
                u64::from(u16::from_le_bytes([k0, k1])) + u64::from(u32::from_le_bytes([v0, v1, v2, v3]))
            }
            [END] => {
                last = start.take().or(last);
                12
            }
            [CLEAR] => 8,
            _ => return Ok(last),
        };
        at += 1 + rest;
        if at > length {
            return Ok(last);
        }
        reader.seek_relative(i64::try_from(rest).unwrap_or(i64::MAX))?;
    }
}
