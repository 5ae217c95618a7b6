//! What processes use.

/// Resident memory of this process in bytes, where the system tells it.
pub fn resident() -> Option<u64> {
    resident_in("/proc/self/status")
}

/// Resident memory of a process in bytes, where the system tells it.
pub fn resident_of(process: u32) -> Option<u64> {
    resident_in(&format!("/proc/{process}/status"))
}

fn resident_in(path: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Bytes that a process has sent to its disk, where the system tells it.
pub fn written_by(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes:"))?.trim().parse().ok()
}
