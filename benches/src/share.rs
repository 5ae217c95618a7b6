//! Numbered operations shared out among some workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::timing::Measured;

/// Shares out numbered operations among some workers; each operation says how long it took.
///
/// # Errors
/// The first operation that fails.
pub async fn share<F>(count: usize, workers: usize, operation: impl Fn(usize) -> F + Clone + Send + 'static) -> anyhow::Result<Measured>
where
    F: Future<Output = anyhow::Result<Duration>> + Send + 'static,
{
    let start = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let tasks = (0..workers).map(|_| {
        let (next, operation) = (next.clone(), operation.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, anyhow::Error>(latencies);
                }
                latencies.push(operation(number).await?);
            }
        })
    });
    let mut all = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        all.extend(task.await??);
    }
    Ok(Measured::new(start.elapsed(), all))
}
