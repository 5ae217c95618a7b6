//! Two controllers that change one copy back and forth: repairs become rarer, so that neither side burns.
//!
//! People are repaired at once every time: what `kubectl` or a browser writes is not counted.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::queue::Place;

/// So many repairs of the same content within [`WINDOW`] are a contest.
const REPAIRS: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// The first pause of a contest, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Copies that are watched for a contest; the oldest are forgotten.
const MOST: usize = 4096;

#[derive(Default)]
pub(super) struct Contests(HashMap<Place, Contest>);

struct Contest {
    fingerprint: u64,
    manager: Box<str>,
    began: Instant,
    last: Instant,
    repairs: u32,
    pause: Duration,
}

impl Contests {
    /// Counts a repair of what `manager` had changed.
    pub fn repaired(&mut self, place: &Place, fingerprint: u64, manager: Box<str>, now: Instant) {
        if is_a_person(&manager) {
            return;
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, contest| now.saturating_duration_since(contest.last) < contest.quiet());
        }
        let contest = self.0.entry(place.clone()).or_insert_with(|| Contest {
            fingerprint,
            manager: manager.clone(),
            began: now,
            last: now,
            repairs: 0,
            pause: Duration::ZERO,
        });
        let over = now.saturating_duration_since(contest.last) > contest.quiet();
        if contest.fingerprint != fingerprint || *contest.manager != *manager || over {
            *contest = Contest { fingerprint, manager, began: now, last: now, repairs: 0, pause: Duration::ZERO };
        }
        contest.repairs += 1;
        contest.last = now;
        if contest.repairs >= REPAIRS && (contest.pause > Duration::ZERO || now.saturating_duration_since(contest.began) <= WINDOW) {
            contest.pause = (contest.pause * 2).clamp(PAUSES.0, PAUSES.1);
        }
    }

    /// Until when this job must wait.
    pub fn held(&self, place: &Place, fingerprint: u64, now: Instant) -> Option<Instant> {
        self.standing(place, now).filter(|(contested, _, _)| *contested == fingerprint).map(|(_, _, until)| until)
    }

    /// What stands for a copy: the contested job, the other manager, and the time of the next repair.
    pub fn standing(&self, place: &Place, now: Instant) -> Option<(u64, &str, Instant)> {
        let contest = self.0.get(place)?;
        let until = contest.last + contest.pause;
        (until > now).then_some((contest.fingerprint, &*contest.manager, until))
    }
}

impl Contest {
    /// After so long without a repair the contest is over.
    fn quiet(&self) -> Duration {
        WINDOW + self.pause
    }
}

fn is_a_person(manager: &str) -> bool {
    manager.starts_with("kubectl") || manager.starts_with("Mozilla") || manager == "k9s"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        (1, "ns".into(), "n".into())
    }

    /// The pauses in seconds after each repair, `every` seconds apart from the end of the pause before.
    fn pauses(manager: &str, count: usize, every: u64) -> Vec<u64> {
        let (mut contests, mut now) = (Contests::default(), Instant::now());
        (0..count)
            .map(|_| {
                now += Duration::from_secs(every);
                contests.repaired(&place(), 1, manager.into(), now);
                let pause = contests.held(&place(), 1, now).map_or(0, |until| until.duration_since(now).as_secs());
                now += Duration::from_secs(pause);
                pause
            })
            .collect()
    }

    #[test]
    fn a_controller_that_comes_back_is_repaired_less_and_less_often() {
        assert_eq!(pauses("other-controller", 9, 1), [0, 0, 0, 0, 1, 2, 4, 8, 16]);
    }

    #[test]
    fn people_are_repaired_at_once_every_time() {
        assert_eq!(pauses("kubectl-edit", 9, 1), [0; 9]);
    }

    #[test]
    fn rare_changes_are_no_contest() {
        assert_eq!(pauses("other-controller", 9, 61), [0; 9]);
        assert_eq!(pauses("other-controller", 9, 20), [0; 9]);
    }

    #[test]
    fn another_content_is_not_held() {
        let (mut contests, now) = (Contests::default(), Instant::now());
        for _ in 0..6 {
            contests.repaired(&place(), 1, "x".into(), now);
        }
        assert!(contests.held(&place(), 1, now).is_some());
        assert!(contests.held(&place(), 2, now).is_none());
    }
}
