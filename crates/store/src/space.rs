//! Free space of the store's file system: writes are refused before it runs out.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Less than this is always too little.
const LEAST: u64 = 256 << 20;
/// A twentieth of the disk is kept free, but never more than this: large disks have enough long before.
const MOST: u64 = 1 << 30;

const BALLAST: &str = "ballast";
/// The value of `short` when there is enough.
const ENOUGH: u64 = u64::MAX;

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What is left for this user.
    pub free: u64,
    /// All of it.
    pub size: u64,
}

impl Space {
    /// Asks the file system that a folder is on; nothing where it does not tell.
    #[cfg(unix)]
    pub fn of(folder: &Path) -> Option<Space> {
        let stat = rustix::fs::statvfs(folder).ok()?;
        Some(Space { free: stat.f_bavail.saturating_mul(stat.f_frsize), size: stat.f_blocks.saturating_mul(stat.f_frsize) })
    }

    /// Asks the file system that a folder is on; nothing where it does not tell.
    #[cfg(not(unix))]
    pub fn of(_folder: &Path) -> Option<Space> {
        None
    }

    /// What is to be kept free.
    fn reserve(self) -> u64 {
        (self.size / 20).clamp(LEAST, MOST)
    }
}

/// Asks for the space of a folder's file system.
pub type SpaceProbe = Arc<dyn Fn(&Path) -> Option<Space> + Send + Sync>;

/// Watches the space of one store's folder. While it is short, only writes that free space are accepted, and the
/// ballast, a file that is good for nothing else, is given up, so that those and compaction have room.
pub(crate) struct Reserve {
    directory: PathBuf,
    probe: SpaceProbe,
    /// The ballast's size; 0 for none.
    ballast: u64,
    /// Whether the ballast is there.
    loaded: AtomicBool,
    /// Bytes left while there are too few.
    short: AtomicU64,
}

impl Reserve {
    pub fn new(directory: &Path, probe: SpaceProbe, ballast: u64) -> Reserve {
        let reserve =
            Reserve { directory: directory.to_owned(), probe, ballast, loaded: AtomicBool::new(false), short: AtomicU64::new(ENOUGH) };
        let there = reserve.path().metadata().is_ok_and(|found| found.len() == ballast && ballast > 0);
        reserve.loaded.store(there, Ordering::Relaxed);
        reserve.load();
        reserve
    }

    /// The bytes left when there are too few of them, as of now.
    pub fn short(&self) -> Option<u64> {
        let before = self.short.load(Ordering::Relaxed);
        let now = self.measure(before != ENOUGH);
        self.short.store(now.unwrap_or(ENOUGH), Ordering::Relaxed);
        match now {
            Some(free) if before == ENOUGH => {
                tracing::error!(free, folder = %self.directory.display(), "the disk of the store is nearly full: only deletes are accepted");
                self.drop_ballast();
            }
            None if before != ENOUGH => tracing::info!(folder = %self.directory.display(), "the disk of the store has space again"),
            _ => {}
        }
        now
    }

    /// Whether there were too few bytes when somebody looked last.
    pub fn was_short(&self) -> bool {
        self.short.load(Ordering::Relaxed) != ENOUGH
    }

    /// Puts the ballast back when there is room for it.
    pub fn load(&self) {
        if self.ballast == 0 || self.loaded.load(Ordering::Relaxed) || self.measure(true).is_some() {
            return;
        }
        match make(&self.path(), self.ballast) {
            Ok(()) => self.loaded.store(true, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, folder = %self.directory.display(), "no space can be set aside for the store");
                self.drop_ballast();
            }
        }
    }

    fn measure(&self, short: bool) -> Option<u64> {
        let space = (self.probe)(&self.directory)?;
        // What the ballast gave back does not end a shortage: it has to be put back first.
        let owed = if short && !self.loaded.load(Ordering::Relaxed) { self.ballast } else { 0 };
        (space.free < space.reserve() + owed).then_some(space.free)
    }

    fn drop_ballast(&self) {
        self.loaded.store(false, Ordering::Relaxed);
        match std::fs::remove_file(self.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %self.directory.display(), "the space set aside cannot be given back");
            }
            _ => {}
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(BALLAST)
    }
}

/// A file whose blocks are really there.
fn make(path: &Path, size: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    allocate(&file, size)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn allocate(file: &File, size: u64) -> io::Result<()> {
    rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size).map_err(io::Error::from)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn allocate(mut file: &File, size: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(1), size), &mut file).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn a_twentieth_is_kept_free_within_bounds() {
        let reserve = |size| Space { free: 0, size }.reserve();
        assert_eq!((reserve(1 << 30), reserve(10 << 30), reserve(10 << 40)), (LEAST, (10 << 30) / 20, MOST));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_system_tells_its_size() {
        let space = Space::of(&std::env::temp_dir()).unwrap();
        assert!(space.size > 0 && space.free <= space.size);
    }

    #[test]
    fn the_ballast_goes_when_space_is_short_and_comes_back_when_there_is_room_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let free = Arc::new(AtomicU64::new(300 << 20));
        let told = free.clone();
        let probe: SpaceProbe = Arc::new(move |_| Some(Space { free: told.load(Ordering::Relaxed), size: 1 << 30 }));
        let ballast = || directory.path().join(BALLAST).metadata().map_or(0, |found| found.len());
        let reserve = Reserve::new(directory.path(), probe, 1 << 20);
        assert_eq!((reserve.short(), ballast()), (None, 1 << 20));
        free.store(255 << 20, Ordering::Relaxed);
        assert_eq!((reserve.short(), ballast()), (Some(255 << 20), 0));
        // Its own bytes and little more.
        free.store((257 << 20) - 1, Ordering::Relaxed);
        reserve.load();
        assert_eq!((reserve.short(), ballast()), (Some((257 << 20) - 1), 0));
        free.store(258 << 20, Ordering::Relaxed);
        assert_eq!(reserve.short(), None);
        reserve.load();
        assert_eq!(ballast(), 1 << 20);
    }
}
