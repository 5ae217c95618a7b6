//! Two controllers that change one copy back and forth: repairs become rarer, so that neither side burns.
//!
//! People are repaired at once every time: what `kubectl` or a browser writes is not counted.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::queue::Place;
use crate::owned::compare::Difference;

/// So many repairs of the same field within [`WINDOW`] are a contest.
const REPAIRS: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// The first pause of a contest, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Copies that are watched for a contest; the oldest are forgotten.
const MOST: usize = 4096;

/// A change that nobody's field set explains counts only when it follows a repair so closely that no person made it.
const AT_ONCE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Contests(HashMap<Place, Contest>);

struct Contest {
    fingerprint: u64,
    by: Difference,
    /// The times of the last repairs, [`REPAIRS`] at most.
    repairs: VecDeque<Instant>,
    /// Zero while it is no contest yet.
    pause: Duration,
}

impl Contests {
    /// Counts a repair. Returns how long the contest lasts if nothing more happens, where there is one.
    pub fn repaired(&mut self, place: &Place, fingerprint: u64, by: Difference, now: Instant) -> Option<Duration> {
        if is_a_person(&by.manager) {
            return None;
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, contest| !contest.is_over(now));
        }
        let contest = self.0.entry(place.clone()).or_insert_with(|| Contest::new(fingerprint, by.clone()));
        if contest.fingerprint != fingerprint || contest.by != by || contest.is_over(now) {
            *contest = Contest::new(fingerprint, by);
        }
        if contest.by.manager.is_empty() && contest.last().is_some_and(|last| now.duration_since(last) > AT_ONCE + contest.pause) {
            contest.repairs.clear();
        }
        contest.repairs.push_back(now);
        if contest.repairs.len() > REPAIRS {
            contest.repairs.pop_front();
        }
        let often = contest.repairs.len() == REPAIRS && contest.repairs.front().is_some_and(|first| now.duration_since(*first) <= WINDOW);
        if often || contest.pause > Duration::ZERO {
            contest.pause = (contest.pause * 2).clamp(PAUSES.0, PAUSES.1);
        }
        (contest.pause > Duration::ZERO).then(|| contest.quiet())
    }

    /// Until when this job must wait.
    pub fn held(&self, place: &Place, fingerprint: u64, now: Instant) -> Option<Instant> {
        self.standing(place, now).filter(|(contested, _, until)| *contested == fingerprint && *until > now).map(|(_, _, until)| until)
    }

    /// What stands for a copy: the contested job, what is contested, and the time before which it is not repaired again.
    pub fn standing(&self, place: &Place, now: Instant) -> Option<(u64, &Difference, Instant)> {
        let contest = self.0.get(place)?;
        let until = contest.last()? + contest.pause;
        (contest.pause > Duration::ZERO && !contest.is_over(now)).then_some((contest.fingerprint, &contest.by, until))
    }
}

impl Contest {
    fn new(fingerprint: u64, by: Difference) -> Self {
        Self { fingerprint, by, repairs: VecDeque::new(), pause: Duration::ZERO }
    }

    fn last(&self) -> Option<Instant> {
        self.repairs.back().copied()
    }

    /// After so long without a repair the contest is over.
    fn quiet(&self) -> Duration {
        WINDOW + self.pause
    }

    fn is_over(&self, now: Instant) -> bool {
        self.last().is_some_and(|last| now.duration_since(last) >= self.quiet())
    }
}

/// Field managers of programs that people type into.
fn is_a_person(manager: &str) -> bool {
    ["kubectl", "Mozilla", "k9s", "dashboard", "headlamp", "OpenLens", "Lens"].iter().any(|program| manager.starts_with(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        (1, "ns".into(), "n".into())
    }

    fn by(manager: &str) -> Difference {
        Difference { field: "spec.replicas".to_owned(), manager: manager.to_owned() }
    }

    /// The pauses in seconds after each repair; the next change comes so long after the pause before.
    fn pauses(manager: &str, changes: &[u64]) -> Vec<u64> {
        let (mut contests, mut now) = (Contests::default(), Instant::now());
        changes
            .iter()
            .map(|after| {
                now += Duration::from_secs(*after);
                contests.repaired(&place(), 1, by(manager), now);
                let pause = contests.held(&place(), 1, now).map_or(0, |until| until.duration_since(now).as_secs());
                now += Duration::from_secs(pause);
                pause
            })
            .collect()
    }

    #[test]
    fn a_controller_that_comes_back_is_repaired_less_and_less_often() {
        assert_eq!(pauses("other-controller", &[1; 15]), [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pauses("other-controller", &[15; 6]), [0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn people_are_repaired_at_once_every_time() {
        assert_eq!(pauses("kubectl-edit", &[1; 10]), [0; 10]);
    }

    #[test]
    fn rare_changes_are_no_contest_and_a_burst_after_them_is_one() {
        assert_eq!(pauses("other-controller", &[61; 9]), [0; 9]);
        assert_eq!(pauses("other-controller", &[20; 9]), [0; 9]);
        assert_eq!(pauses("other-controller", &[20, 20, 20, 20, 1, 1, 1, 1]), [0, 0, 0, 0, 0, 1, 2, 4]);
    }

    #[test]
    fn who_is_not_known_counts_only_when_no_person_is_so_quick() {
        assert_eq!(pauses("", &[10; 9]), [0; 9]);
        assert_eq!(pauses("", &[1; 6]), [0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn a_contest_stands_until_it_has_been_quiet() {
        let (mut contests, now) = (Contests::default(), Instant::now());
        let lasts = (0..5).filter_map(|_| contests.repaired(&place(), 1, by("x"), now)).last();
        assert_eq!(lasts, Some(Duration::from_secs(61)));
        let standing = |after: u64| contests.standing(&place(), now + Duration::from_secs(after)).is_some();
        assert!(standing(0) && standing(60) && !standing(61));
        assert!(contests.held(&place(), 1, now).is_some() && contests.held(&place(), 1, now + Duration::from_secs(1)).is_none());
    }

    #[test]
    fn another_content_and_another_field_are_not_held() {
        let (mut contests, now) = (Contests::default(), Instant::now());
        for _ in 0..6 {
            contests.repaired(&place(), 1, by("x"), now);
        }
        assert!(contests.held(&place(), 1, now).is_some());
        assert!(contests.held(&place(), 2, now).is_none());
        let other = Difference { field: "spec.paused".to_owned(), manager: "x".to_owned() };
        assert_eq!(contests.repaired(&place(), 1, other, now), None);
    }
}
