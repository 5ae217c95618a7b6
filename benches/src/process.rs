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

/// Processor time that a process has taken, where the system tells it.
pub fn processor_time_of(process: u32) -> Option<std::time::Duration> {
    // in nanoseconds, for all threads that run: the first of three numbers of each thread
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let each = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    let nanoseconds: u64 = each.filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok()).sum();
    Some(std::time::Duration::from_nanos(nanoseconds))
}

/// Sockets that a process has open, where the system tells it.
pub fn sockets_of(process: u32) -> Option<usize> {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let named = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    Some(named.filter(|name| name.to_string_lossy().starts_with("socket:")).count())
}
