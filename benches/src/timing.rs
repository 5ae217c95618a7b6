//! Many clients doing one thing for a while.

use std::time::{Duration, Instant};

/// What a measurement gave.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// How long it took.
    pub elapsed: Duration,
    /// How long each operation took, sorted.
    latencies: Vec<Duration>,
}

impl Measured {
    /// From the latencies of all clients.
    pub fn new(elapsed: Duration, mut latencies: Vec<Duration>) -> Measured {
        latencies.sort_unstable();
        Measured { elapsed, latencies }
    }

    /// Operations per second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that this share of operations stays within.
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at.min(last)).copied().unwrap_or_default()
    }
}

/// Runs an operation again and again in this thread for a time.
pub fn repeat<E>(time: Duration, mut operation: impl FnMut(u64) -> Result<(), E>) -> Result<Measured, E> {
    let start = Instant::now();
    let mut latencies = Vec::new();
    while start.elapsed() < time {
        let before = Instant::now();
        operation(latencies.len() as u64)?;
        latencies.push(before.elapsed());
    }
    Ok(Measured::new(start.elapsed(), latencies))
}

/// Runs many clients at once, each repeating its operation for a time. The operation gets the client's number and its
/// own count.
pub async fn clients<F, E>(
    count: usize,
    time: Duration,
    operation: impl Fn(usize, u64) -> F + Clone + Send + 'static,
) -> anyhow::Result<Measured>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<anyhow::Error> + Send + 'static,
{
    let start = Instant::now();
    let tasks = (0..count).map(|client| {
        let operation = operation.clone();
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < time {
                let before = Instant::now();
                operation(client, latencies.len() as u64).await.map_err(Into::into)?;
                latencies.push(before.elapsed());
            }
            Ok::<_, anyhow::Error>(latencies)
        })
    });
    let mut all = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        all.extend(task.await??);
    }
    Ok(Measured::new(start.elapsed(), all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_latencies() {
        let measured = Measured::new(Duration::from_secs(2), (1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(measured.rate(), 50.0);
        assert_eq!(measured.percentile(0.0), Duration::from_millis(1));
        assert_eq!(measured.percentile(1.0), Duration::from_millis(100));
        assert_eq!(Measured::default().percentile(0.5), Duration::ZERO);
    }
}
