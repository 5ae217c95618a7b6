//! What a power failure, a kill or a failing disk leaves of a store: everything acknowledged, whole, in order.
//!
//! A writer process runs under a layer that records its file operations. From the recording come the disks that a
//! power failure at any moment could leave (see `comity-testkit-preload`); each is opened and compared with what
//! the writer was told. Each test prints its seed when it fails: `COMITY_SEED=… cargo test …` repeats the choices,
//! though not the timing of the writer. `COMITY_CRASH_IMAGES` and `COMITY_KILLS` say how many there are.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]
#![allow(clippy::print_stdout, reason = "long runs tell their figures")]

mod faults;
mod images;
mod kills;
mod truth;
mod writer;

/// One test at a time: a child that is being started holds, for a moment, the locks of its parent's open stores.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ALONE.lock().await
}

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn seed() -> u64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    number("COMITY_SEED", time.as_nanos() as u64)
}
