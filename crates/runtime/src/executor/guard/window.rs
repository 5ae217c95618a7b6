//! How much happened within the last while: counts by slices of time, so that the size does not depend on how much.

/// A sliding window. A slice counts until it is wholly outside of it, so the window errs on the side of counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Milliseconds.
    span: i64,
    /// Start of the slice, and how many.
    slices: Vec<(i64, u32)>,
}

/// Slices of one window.
const SLICES: i64 = 24;

impl Window {
    /// The last minute.
    pub fn minute() -> Self {
        Self { span: 60_000, slices: Vec::new() }
    }

    /// The last 24 hours.
    pub fn day() -> Self {
        Self { span: 86_400_000, slices: Vec::new() }
    }

    /// Counts one at a time in milliseconds. A clock that was set back counts into the latest slice.
    pub fn add(&mut self, now: i64) {
        self.add_many(1, now);
    }

    /// Counts so many.
    pub fn add_many(&mut self, count: usize, now: i64) {
        let more = u32::try_from(count).unwrap_or(u32::MAX);
        self.prune(now);
        let start = now - now.rem_euclid(self.span / SLICES);
        match self.slices.last_mut() {
            Some((at, count)) if *at >= start => *count = count.saturating_add(more),
            _ => self.slices.push((start, more)),
        }
    }

    /// How many there were.
    pub fn count(&self, now: i64) -> usize {
        self.slices.iter().filter(|(start, _)| self.stands(*start, now)).map(|(_, count)| *count as usize).sum()
    }

    /// When something was counted last.
    pub fn latest(&self) -> i64 {
        self.slices.last().map_or(i64::MIN, |(start, _)| *start)
    }

    fn stands(&self, start: i64, now: i64) -> bool {
        start + self.span / SLICES > now - self.span
    }

    fn prune(&mut self, now: i64) {
        let keep: Vec<(i64, u32)> = self.slices.iter().copied().filter(|(start, _)| self.stands(*start, now)).collect();
        self.slices = keep;
    }

    /// The slices as `start:count`, for the record of a member's day.
    pub fn to_text(&self) -> String {
        self.slices.iter().map(|(start, count)| format!("{start}:{count}")).collect::<Vec<_>>().join(" ")
    }

    /// Takes a record in; what cannot be read is left out.
    pub fn read(&mut self, text: &str) {
        let read = |part: &str| {
            let (start, count) = part.split_once(':')?;
            Some((start.parse().ok()?, count.parse().ok()?))
        };
        self.slices = text.split_whitespace().filter_map(read).take(2 * SLICES as usize).collect();
        self.slices.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_counts_for_the_span_and_not_much_longer() {
        let mut window = Window::minute();
        (0..30).for_each(|second| window.add(1_000_000 + second * 1000));
        assert_eq!(window.count(1_030_000), 30);
        assert_eq!(window.count(1_060_000), 30);
        assert!(window.count(1_080_000) < 20);
        assert_eq!(window.count(1_200_000), 0);
    }

    #[test]
    fn its_size_does_not_depend_on_how_much_happens_and_a_record_says_the_same() {
        let mut window = Window::day();
        (0..100_000).for_each(|i| window.add(i * 10_000));
        assert!(window.slices.len() <= 26, "{}", window.slices.len());
        let mut again = Window::day();
        again.read(&window.to_text());
        assert_eq!(again, window);
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_nothing() {
        let mut window = Window::minute();
        window.add(10_000_000);
        window.add(9_000_000);
        assert_eq!(window.count(9_000_000), 2);
    }
}
