//! A server in the foreground: started, until a signal or its own end, stopped cleanly.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    error::{CliError, CliResult},
    printer,
};

/// What is left to blocking threads when everything else has stopped.
const LEFTOVERS: Duration = Duration::from_secs(1);

/// Starts logging and a server and stops it at SIGTERM, SIGINT or when `run` ends; what `run` found wrong is the outcome.
///
/// # Errors
/// What `begin` or `run` tells; signals that cannot be listened for.
pub(crate) fn until_stopped<T>(
    begin: impl AsyncFnOnce() -> CliResult<T>,
    run: impl AsyncFnOnce(&T) -> CliResult,
    stop: impl AsyncFnOnce(T),
) -> CliResult {
    crate::logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| CliError::new("cannot start").because(e))?;
    let outcome = runtime.block_on(async {
        let failed = |e| CliError::new("cannot listen for signals").because(e);
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let server = tokio::select! {
            started = begin() => started?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let outcome = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            ended = run(&server) => ended,
        };
        printer::talk("stopping");
        stop(server).await;
        outcome
    });
    runtime.shutdown_timeout(LEFTOVERS);
    outcome
}
