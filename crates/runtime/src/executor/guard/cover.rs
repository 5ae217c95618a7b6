//! Deletions are in the record on the hub before they go, in blocks: a hub that is killed forgets none of them.

use super::window::Window;

/// The largest block.
const MOST: usize = 64;

/// How far the record of a member's day covers what goes there.
#[derive(Debug, Default)]
pub(super) struct Cover {
    /// So many may go before the record has to be written again.
    left: usize,
    /// So many are to be covered by the next record.
    wanted: usize,
    /// When the last one went.
    last: i64,
}

impl Cover {
    /// One goes: whether it is covered. What is missing, or will soon be, is asked for: `standing` wait with this one.
    pub fn take(&mut self, limit: usize, standing: usize, now: i64) -> bool {
        // a kill wastes at most a block: a tenth of what may go in a day
        let block = (limit / 10).clamp(1, MOST);
        let covered = self.left > 0;
        self.left -= usize::from(covered);
        if covered {
            self.last = now;
        } else {
            self.wanted = self.wanted.max(standing);
        }
        if self.left <= block / 2 {
            self.wanted = self.wanted.max(block);
        }
        covered
    }

    /// Whether the record has to be written.
    pub fn is_wanted(&self) -> bool {
        self.wanted > 0
    }

    /// The day as it is to be recorded: what went, what may go already, and what is asked for. And how many that are.
    pub fn to_record(&self, day: &Window, now: i64) -> Option<(String, usize)> {
        let mut recorded = day.clone();
        recorded.add_many(self.left + self.wanted, now);
        (self.wanted > 0).then(|| (recorded.to_text(), self.wanted))
    }

    /// The record was written.
    pub fn recorded(&mut self, covered: usize) {
        self.left += covered;
        self.wanted = self.wanted.saturating_sub(covered);
    }

    /// Takes back what nobody used for so long.
    pub fn give_back(&mut self, idle: i64, now: i64) -> bool {
        let unused = self.left > 0 && self.wanted == 0 && now - self.last >= idle;
        if unused {
            self.left = 0;
        }
        unused
    }

    /// Whether something could be given back later.
    pub fn has_left(&self) -> bool {
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, now: i64) -> usize {
        let mut window = Window::day();
        window.read(text);
        window.count(now)
    }

    #[test]
    fn what_goes_was_recorded_before_and_the_record_is_written_once_a_block() {
        let (mut cover, mut day, mut record, mut writes) = (Cover::default(), Window::day(), String::new(), 0);
        let mut went = 0;
        for now in 0..500 {
            while !cover.take(500, 1, now) {
                let (text, covered) = cover.to_record(&day, now).unwrap();
                (record, writes) = (text, writes + 1);
                cover.recorded(covered);
            }
            day.add(now);
            went += 1;
            assert!(count(&record, now) >= went, "{went} went and {record} is recorded");
            assert!(count(&record, now) <= went + 52, "{went} went and {record} is recorded");
        }
        assert!(writes <= 11, "{writes}");
    }

    #[test]
    fn many_that_ask_at_once_are_covered_at_once() {
        let mut cover = Cover::default();
        assert!((0..300).all(|before| !cover.take(500, before + 1, 0)));
        let (_, covered) = cover.to_record(&Window::day(), 0).unwrap();
        cover.recorded(covered);
        assert!((0..300).all(|_| cover.take(500, 1, 0)));
    }

    #[test]
    fn what_is_not_used_is_given_back() {
        let mut cover = Cover::default();
        cover.take(500, 1, 0);
        cover.recorded(50);
        assert!(cover.take(500, 1, 1000) && !cover.give_back(5000, 2000) && cover.give_back(5000, 6000));
        assert!(!cover.take(500, 1, 7000), "it has to be recorded anew");
    }
}
