//! What a seed decides. Numbers are those of splitmix64, so that a seed means the same for ever.

use std::time::Duration;

pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below a number.
    pub fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    /// Once in so many times.
    pub fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Between two steps: mostly moments, sometimes minutes, seldom an hour.
    pub fn pause(&mut self) -> Duration {
        let milliseconds = match self.below(20) {
            0 => 3_600_000,
            1..=3 => 300_000,
            4..=9 => 20_000,
            10..=14 => 1_500,
            _ => 40,
        };
        Duration::from_millis(self.below(milliseconds) as u64)
    }
}
