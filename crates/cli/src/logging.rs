//! Logs of long-running commands: on stderr, filtered by `COMITY_LOG`.

use tracing_subscriber::EnvFilter;

/// Starts logging; warnings and errors are shown (those of the client of members are in their status) unless `COMITY_LOG` says otherwise (such as `info` or `comity_fleet=debug`).
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("COMITY_LOG").unwrap_or_else(|_| EnvFilter::new("warn,kube_client=off"));
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
