//! The lane's book-keeping, without IO: what waits, what runs, what failed, and whether the member is silent.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{Attempt, Urgency, contest::Contests, pauses};
use crate::{
    arbitrate::Refusal,
    backoff::Backoff,
    copies::Copies,
    job::{Done, Failure, Job, Step, Trouble},
    owned::compare::Difference,
};

/// The identity of a copy within its member: the index that holds it, namespace, name.
pub(super) type Place = (usize, Box<str>, Box<str>);

/// A job that is to be carried out.
pub(super) struct Work {
    pub copies: Arc<Copies>,
    pub namespace: Box<str>,
    pub name: Box<str>,
    pub job: Job,
    urgency: Urgency,
    since: Instant,
}

#[derive(Default)]
pub(super) struct State {
    slots: HashMap<Place, Slot>,
    ready: [VecDeque<Place>; 3],
    running: usize,
    silence: Option<Silence>,
    contests: Contests,
}

#[derive(Default)]
struct Slot {
    waiting: Option<Work>,
    running: Option<(u64, Instant)>,
    failed: Option<Failed>,
}

struct Failed {
    fingerprint: u64,
    failure: Arc<Failure>,
    retry_at: Instant,
    pauses: Backoff,
    copies: Arc<Copies>,
}

struct Silence {
    until: Instant,
    pauses: Backoff,
}

fn place(copies: &Arc<Copies>, namespace: &str, name: &str) -> Place {
    (Arc::as_ptr(copies) as usize, namespace.into(), name.into())
}

impl Work {
    fn place(&self) -> Place {
        place(&self.copies, &self.namespace, &self.name)
    }
}

impl State {
    /// Whether the job is new.
    pub fn submit(&mut self, copies: &Arc<Copies>, namespace: &str, name: &str, job: Job, urgency: Urgency, now: Instant) -> bool {
        let place = place(copies, namespace, name);
        let fingerprint = job.fingerprint();
        let slot = self.slots.entry(place.clone()).or_default();
        let same = |waiting: &Work| waiting.job.fingerprint() == fingerprint;
        if slot.waiting.as_ref().is_some_and(same) {
            return false;
        }
        if slot.waiting.is_none() && slot.running.is_some_and(|(running, _)| running == fingerprint) {
            return false;
        }
        if slot.failed.as_ref().is_some_and(|failed| failed.fingerprint == fingerprint && now < failed.retry_at)
            || self.contests.held(&place, fingerprint, now).is_some()
        {
            return false;
        }
        let queued = slot.waiting.is_some();
        slot.waiting = Some(Work { copies: copies.clone(), namespace: namespace.into(), name: name.into(), job, urgency, since: now });
        if !queued && slot.running.is_none() {
            self.ready[urgency as usize].push_back(place);
        }
        true
    }

    /// The next job that may begin.
    pub fn next(&mut self, limit: usize, now: Instant) -> Option<Work> {
        // a silent member is asked by one job at a time
        let limit = match &self.silence {
            Some(silence) if now < silence.until => return None,
            Some(_) => 1,
            None => limit,
        };
        while self.running < limit {
            let place = self.ready.iter_mut().rev().find_map(VecDeque::pop_front)?;
            let Some(slot) = self.slots.get_mut(&place).filter(|slot| slot.running.is_none()) else { continue };
            let Some(work) = slot.waiting.take() else { continue };
            slot.running = Some((work.job.fingerprint(), work.since));
            self.running += 1;
            return Some(work);
        }
        None
    }

    /// A job ended, well or not. Returns how long a contest about the copy goes on, if there is one.
    pub fn ended(
        &mut self,
        work: Work,
        result: Result<Done, Arc<Failure>>,
        repaired: Option<Difference>,
        now: Instant,
    ) -> Option<Duration> {
        self.silence = None;
        self.running = self.running.saturating_sub(1);
        let place = work.place();
        let slot = self.slots.get_mut(&place)?;
        slot.running = None;
        let mut contest = None;
        match result {
            Ok(done) => {
                slot.failed = None;
                if let (Done::Updated, Some(difference)) = (done, repaired) {
                    contest = self.contests.repaired(&place, work.job.fingerprint(), difference, now);
                }
            }
            Err(failure) => {
                let (first, most) = pauses(&failure);
                let fingerprint = work.job.fingerprint();
                let mut pauses = match slot.failed.take() {
                    Some(before) if before.fingerprint == fingerprint => before.pauses,
                    _ => Backoff::new(first, most),
                };
                let retry_at = now + pauses.next_pause().max(failure.overload().unwrap_or_default());
                slot.failed = Some(Failed { fingerprint, failure, retry_at, pauses, copies: work.copies.clone() });
            }
        }
        match &slot.waiting {
            Some(waiting) => self.ready[waiting.urgency as usize].push_back(place),
            None if slot.failed.is_none() => drop(self.slots.remove(&place)),
            None => {}
        }
        contest
    }

    /// The member did not answer: the job waits again, and with it all others. Returns the pause.
    pub fn silent(&mut self, work: Work, now: Instant) -> Duration {
        self.running = self.running.saturating_sub(1);
        let place = work.place();
        if let Some(slot) = self.slots.get_mut(&place) {
            slot.running = None;
            let work = slot.waiting.take().unwrap_or(work);
            self.ready[work.urgency as usize].push_front(place);
            slot.waiting = Some(work);
        }
        let silence = self
            .silence
            .get_or_insert_with(|| Silence { until: now, pauses: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)) });
        if silence.until <= now {
            silence.until = now + silence.pauses.next_pause();
        }
        silence.until.duration_since(now)
    }

    /// A job was broken off: nothing is known of it.
    pub fn given_up(&mut self, work: &Work) {
        self.running = self.running.saturating_sub(1);
        let place = work.place();
        let Some(slot) = self.slots.get_mut(&place) else { return };
        slot.running = None;
        match &slot.waiting {
            Some(waiting) => self.ready[waiting.urgency as usize].push_back(place),
            None if slot.failed.is_none() => drop(self.slots.remove(&place)),
            None => {}
        }
    }

    /// The member asked to be left alone until then; after that it is asked by one job at a time until one succeeds.
    pub fn pause(&mut self, until: Instant) {
        let pauses = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let silence = self.silence.get_or_insert(Silence { until, pauses });
        silence.until = silence.until.max(until);
    }

    pub fn mend(&mut self) {
        self.silence = None;
    }

    pub fn clear(&mut self) {
        self.ready.iter_mut().for_each(VecDeque::clear);
        self.slots.retain(|_, slot| {
            slot.waiting = None;
            slot.failed = None;
            slot.running.is_some()
        });
        self.silence = None;
    }

    pub fn attempt(&self, copies: &Arc<Copies>, namespace: &str, name: &str, now: Instant) -> Option<Attempt> {
        let place = place(copies, namespace, name);
        if let Some((fingerprint, by, retry_at)) = self.contests.standing(&place, now) {
            let trouble = Trouble::Contested(Box::new(by.clone()));
            return Some(Attempt::Failed { fingerprint, failure: Arc::new(Failure { step: Step::Update, trouble }), retry_at });
        }
        let slot = self.slots.get(&place)?;
        if let Some(work) = &slot.waiting {
            return Some(Attempt::Pending { fingerprint: work.job.fingerprint(), since: work.since });
        }
        if let Some((fingerprint, since)) = slot.running {
            return Some(Attempt::Pending { fingerprint, since });
        }
        let failed = slot.failed.as_ref()?;
        Some(Attempt::Failed { fingerprint: failed.fingerprint, failure: failed.failure.clone(), retry_at: failed.retry_at })
    }

    /// Copies whose jobs failed because this namespace was missing.
    pub fn free_namespace(&mut self, namespace: &str) -> Vec<(Arc<Copies>, Box<str>)> {
        let mut freed = Vec::new();
        self.slots.retain(|(_, at, name), slot| {
            let missing = |failed: &Failed| matches!(failed.failure.trouble, Trouble::NamespaceMissing);
            if **at == *namespace
                && let Some(failed) = slot.failed.take_if(|failed| missing(failed))
            {
                freed.push((failed.copies, name.clone()));
            }
            slot.failed.is_some() || slot.waiting.is_some() || slot.running.is_some()
        });
        freed
    }

    /// What was refused because the whole member was only read may be tried again.
    pub fn free_fenced(&mut self) {
        let fenced = |failed: &Failed| matches!(failed.failure.trouble, Trouble::Refused(Refusal::Fenced(_)));
        self.slots.retain(|_, slot| {
            slot.failed.take_if(|failed| fenced(failed));
            slot.failed.is_some() || slot.waiting.is_some() || slot.running.is_some()
        });
    }

    pub fn pending(&self) -> usize {
        self.running + self.slots.values().filter(|slot| slot.waiting.is_some()).count()
    }
}
