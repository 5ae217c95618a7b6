//! Pauses between attempts: doubling, with jitter.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// The pauses of one series of failures.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses from `first`, doubled with each failure, up to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The next pause: between half of the doubled time and all of it.
    pub fn next_pause(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(20)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(0.5 + 0.5 * fraction())
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number in 0..1. Every `RandomState` has keys of its own, which is random enough to spread clients.
fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        for whole in [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let pause = backoff.next_pause().as_millis();
            assert!(pause >= whole / 2 && pause <= whole, "{pause} for {whole}");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(200));
    }
}
