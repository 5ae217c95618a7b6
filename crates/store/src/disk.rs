//! Free space of the store's file system.

use std::path::Path;

/// Less than this is always too little.
const LEAST: u64 = 256 << 20;
/// A twentieth of the disk is kept free, but never more than this: large disks have enough long before.
const MOST: u64 = 1 << 30;

/// The bytes left when the disk is nearly full.
pub(crate) fn shortage(directory: &Path) -> Option<u64> {
    let (free, size) = space(directory)?;
    is_short(free, size).then_some(free)
}

fn is_short(free: u64, size: u64) -> bool {
    free < (size / 20).clamp(LEAST, MOST)
}

/// Free bytes and size of the file system, where they can be asked for.
#[cfg(unix)]
fn space(directory: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(directory).ok()?;
    Some((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
}

#[cfg(not(unix))]
fn space(_directory: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_is_kept_free_within_bounds() {
        assert!(is_short(255 << 20, 1 << 30));
        assert!(!is_short(257 << 20, 1 << 30));
        assert!(is_short(500 << 20, 12 << 30));
        assert!(!is_short(2 << 30, 10 << 40));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_system_tells_its_size() {
        let (free, size) = space(&std::env::temp_dir()).unwrap();
        assert!(size > 0 && free <= size);
    }
}
