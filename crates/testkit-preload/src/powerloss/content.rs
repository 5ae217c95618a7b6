//! The content of a file: sparse, and cheap to copy.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// What reaches a disk whole or not at all.
const BLOCK: u64 = 512;

type Block = [u8; BLOCK as usize];

/// A change of a file's content.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { offset: u64, data: Arc<[u8]> },
    Resize(u64),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    blocks: BTreeMap<u64, Arc<Block>>,
    size: u64,
}

impl Content {
    /// Reads a file; blocks of zeros are holes.
    pub fn read(path: &Path) -> io::Result<Content> {
        let bytes = std::fs::read(path)?;
        let mut content = Content { blocks: BTreeMap::new(), size: bytes.len() as u64 };
        for (number, _, part) in parts(0, &bytes) {
            if part.iter().any(|byte| *byte != 0) {
                let mut block = [0; BLOCK as usize];
                block.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
                content.blocks.insert(number, Arc::new(block));
            }
        }
        Ok(content)
    }

    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, data } => {
                for (number, from, part) in parts(*offset, data) {
                    let block = self.blocks.entry(number).or_insert_with(|| Arc::new([0; BLOCK as usize]));
                    if let Some(place) = Arc::make_mut(block).get_mut(from..from + part.len()) {
                        place.copy_from_slice(part);
                    }
                }
                self.size = self.size.max(offset + data.len() as u64);
            }
            Change::Resize(size) => {
                self.blocks.split_off(&size.div_ceil(BLOCK));
                let inside = (size % BLOCK) as usize;
                if let Some(last) = self.blocks.get_mut(&(size / BLOCK)).filter(|_| inside != 0) {
                    Arc::make_mut(last)[inside..].fill(0);
                }
                self.size = *size;
            }
        }
    }

    /// The content after the changes of which each block saw only a part: `seen` says how many of the changes a block
    /// saw, and the size how many were seen by the size.
    pub fn torn(&self, changes: &[Change], size_saw: usize, mut seen: impl FnMut() -> usize) -> Content {
        let mut touched: BTreeMap<u64, usize> = BTreeMap::new();
        for change in changes {
            if let Change::Write { offset, data } = change {
                for (number, ..) in parts(*offset, data) {
                    touched.entry(number).or_insert_with(&mut seen);
                }
            }
        }
        let mut result = self.clone();
        for (index, change) in changes.iter().enumerate() {
            match change {
                Change::Write { offset, data } => {
                    for (number, from, part) in parts(*offset, data) {
                        if touched.get(&number).is_some_and(|saw| index < *saw) {
                            let part = Change::Write { offset: number * BLOCK + from as u64, data: part.into() };
                            result.apply(&part);
                        }
                    }
                }
                Change::Resize(_) if index < size_saw => result.apply(change),
                Change::Resize(_) => {}
            }
        }
        let mut sized = self.clone();
        changes.iter().take(size_saw).for_each(|change| sized.apply(change));
        result.apply(&Change::Resize(sized.size));
        result
    }

    /// Writes a file with this content.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.size)?;
        let mut run: Vec<u8> = Vec::new();
        let mut start = 0;
        for (number, block) in &self.blocks {
            if start + run.len() as u64 != number * BLOCK {
                file.write_all_at(&run, start)?;
                run.clear();
                start = number * BLOCK;
            }
            let keep = BLOCK.min(self.size.saturating_sub(number * BLOCK));
            run.extend_from_slice(block.get(..keep as usize).unwrap_or_default());
        }
        file.write_all_at(&run, start)
    }
}

/// The parts of a write by block: the block's number, where the part begins in it, the part.
fn parts(offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, usize, &[u8])> {
    let (mut at, mut rest) = (offset, data);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (number, from) = (at / BLOCK, (at % BLOCK) as usize);
        let (part, after) = rest.split_at(rest.len().min(BLOCK as usize - from));
        at += part.len() as u64;
        rest = after;
        Some((number, from, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        content.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(super::Content::read(&path).unwrap().size, bytes.len() as u64);
        bytes
    }

    fn write(offset: u64, data: &[u8]) -> Change {
        Change::Write { offset, data: data.into() }
    }

    #[test]
    fn writes_and_sizes_are_those_of_a_file() {
        let mut content = Content::default();
        content.apply(&write(510, b"abcd"));
        content.apply(&Change::Resize(512));
        content.apply(&Change::Resize(2000));
        content.apply(&write(1999, b"z"));
        let mut want = vec![0; 2000];
        want[510..512].copy_from_slice(b"ab");
        want[1999] = b'z';
        assert_eq!(bytes(&content), want);
    }

    #[test]
    fn blocks_of_one_write_may_be_there_or_not() {
        let mut content = Content::default();
        content.apply(&write(0, &[1; 1024]));
        let changes = [write(256, &[2; 512]), write(1024, &[3; 512])];
        let mut saw = [0, 1, 2].into_iter();
        let torn = bytes(&content.torn(&changes, 2, || saw.next().unwrap()));
        assert_eq!((torn[256], torn[512], torn[767], torn[768], torn[1024]), (1, 2, 2, 1, 3));
        assert_eq!(bytes(&content.torn(&changes, 1, || 2)).len(), 1024, "data behind the size is not there");
        assert_eq!(bytes(&content.torn(&changes, 0, || 0)), vec![1; 1024]);
    }
}
