//! What the machine allows, measured in the same run.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::timing::{Measured, repeat};

/// Appends records of a size to a new file in the directory, each made durable before the next.
pub fn fsync_loop(directory: &Path, size: usize, time: Duration) -> anyhow::Result<Measured> {
    let path = directory.join("fsync-loop");
    let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let record = vec![b'x'; size];
    let measured = repeat(time, |_| {
        file.write_all(&record)?;
        file.sync_data()
    });
    std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    Ok(measured?)
}
