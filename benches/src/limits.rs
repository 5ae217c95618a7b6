//! What the machine allows, measured in the same run.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

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

/// Appends this many records of 4 KiB to a new file in the directory, each made durable before the next.
pub fn fsyncs(directory: &Path, count: usize) -> anyhow::Result<Measured> {
    let path = directory.join("fsyncs");
    let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let record = [b'x'; 4096];
    let measured = times(count, || {
        file.write_all(&record)?;
        file.sync_data()
    });
    std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    measured.context("appending records")
}

/// This many round trips of 64 bytes over one loopback TCP connection, without TLS, to a thread that sends them back.
pub fn round_trips(count: usize) -> anyhow::Result<Measured> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listening on a loopback port")?;
    let mut near = TcpStream::connect(listener.local_addr()?).context("connecting to a loopback port")?;
    let (mut far, _) = listener.accept().context("accepting a loopback connection")?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let echo = std::thread::spawn(move || {
        let mut message = [0; 64];
        // The end of the connection ends the thread.
        while far.read_exact(&mut message).and_then(|()| far.write_all(&message)).is_ok() {}
    });
    let mut message = [1; 64];
    let measured = times(count, || {
        near.write_all(&message)?;
        near.read_exact(&mut message)
    });
    drop(near);
    echo.join().map_err(|_| anyhow::anyhow!("the thread that sends back failed"))?;
    measured.context("a loopback round trip")
}

/// Times an operation again and again.
fn times(count: usize, mut operation: impl FnMut() -> std::io::Result<()>) -> std::io::Result<Measured> {
    let start = Instant::now();
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        let before = Instant::now();
        operation()?;
        latencies.push(before.elapsed());
    }
    Ok(Measured::new(start.elapsed(), latencies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_of_real_operations() {
        let directory = tempfile::tempdir().unwrap();
        for measured in [fsyncs(directory.path(), 2).unwrap(), round_trips(2).unwrap()] {
            assert!(measured.percentile(0.0) > Duration::ZERO && measured.percentile(0.0) <= measured.elapsed);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
