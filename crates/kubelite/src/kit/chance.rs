//! Chance that repeats: the same seed and text give the same number.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    time::Duration,
};

/// A number in 0..1.
pub(crate) fn fraction(seed: u64, text: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    (seed, text).hash(&mut hasher);
    f64::from((hasher.finish() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

/// A duration in a range.
pub(crate) fn duration(seed: u64, text: &str, range: &Range<Duration>) -> Duration {
    range.start + range.end.saturating_sub(range.start).mul_f64(fraction(seed, text))
}
