//! The lane's book-keeping, without IO: what waits, what runs, what failed, and whether the member is silent.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Attempt, Urgency,
    backlog::{Backlog, Folded, is_large},
    contest::Contests,
    pauses,
};
use crate::{
    arbitrate::Refusal,
    backoff::Backoff,
    copies::Copies,
    job::{Done, Failure, Job, Step, Trouble},
    owned::compare::Difference,
};

/// Jobs behind so many others are folded while they wait.
const FOLDED: usize = 32;
/// Tables of fewer entries are not made smaller.
const SLIM: usize = 1024;

/// The identity of a copy within its member: the index that holds it, namespace, name.
pub(super) type Place = (usize, Box<str>, Box<str>);

/// A job that is to be carried out.
pub(super) struct Work {
    pub copies: Arc<Copies>,
    pub namespace: Box<str>,
    pub name: Box<str>,
    pub job: Job,
    fingerprint: u64,
    urgency: Urgency,
    since: Instant,
}

/// A copy whose listener is to be told.
pub(super) struct Told {
    pub copies: Arc<Copies>,
    pub namespace: Box<str>,
    pub name: Box<str>,
}

pub(super) struct State {
    slots: HashMap<Place, Slot>,
    ready: [VecDeque<Place>; 3],
    /// Large jobs that wait, by urgency.
    waiting: [usize; 3],
    /// Copies whose job found no room, by urgency; entries that no slot knows of are stale.
    outside: [VecDeque<Told>; 3],
    running: usize,
    silence: Option<Silence>,
    contests: Contests,
    backlog: Backlog,
}

#[derive(Default)]
struct Slot {
    waiting: Option<Box<Waiting>>,
    running: Option<(u64, Instant)>,
    /// There was no room for this job, since then.
    outside: Option<(u64, Instant)>,
    failed: Option<Box<Failed>>,
}

impl Slot {
    fn is_used(&self) -> bool {
        self.waiting.is_some() || self.running.is_some() || self.outside.is_some() || self.failed.is_some()
    }
}

struct Waiting {
    copies: Arc<Copies>,
    job: Folded,
    fingerprint: u64,
    urgency: Urgency,
    since: Instant,
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

impl Drop for State {
    fn drop(&mut self) {
        self.backlog.shrink(self.waiting.iter().sum());
    }
}

impl State {
    pub fn new(backlog: Backlog) -> Self {
        let (slots, ready, outside) = Default::default();
        Self { slots, ready, waiting: [0; 3], outside, running: 0, silence: None, contests: Contests::default(), backlog }
    }

    /// Whether the job is new and waits now.
    pub fn submit(&mut self, copies: &Arc<Copies>, namespace: &str, name: &str, job: Job, urgency: Urgency, now: Instant) -> bool {
        let place = place(copies, namespace, name);
        let fingerprint = job.fingerprint();
        let large = is_large(&job);
        let waits = self.running + self.ready.iter().map(VecDeque::len).sum::<usize>() >= FOLDED;
        let has_room = !large || self.backlog.has_room(self.waiting[urgency as usize]);
        let slot = self.slots.entry(place.clone()).or_default();
        if slot.waiting.as_ref().is_some_and(|waiting| waiting.fingerprint == fingerprint) {
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
        if slot.waiting.is_none() && !has_room {
            let known = slot.outside.is_some();
            slot.outside = Some((fingerprint, slot.outside.map_or(now, |(_, since)| since)));
            if !known {
                let told = Told { copies: copies.clone(), namespace: namespace.into(), name: name.into() };
                self.outside[urgency as usize].push_back(told);
            }
            return false;
        }
        let queued = slot.waiting.is_some();
        let is_running = slot.running.is_some();
        slot.outside = None;
        if let Some(before) = slot.waiting.take() {
            self.uncount(&before);
        }
        let job = Folded::of(job, waits);
        let waiting = Waiting { copies: copies.clone(), job, fingerprint, urgency, since: now };
        self.put(&place, Box::new(waiting));
        if !queued && !is_running {
            self.ready[urgency as usize].push_back(place);
        }
        true
    }

    fn put(&mut self, place: &Place, waiting: Box<Waiting>) {
        if waiting.job.is_large() {
            self.waiting[waiting.urgency as usize] += 1;
            self.backlog.grow();
        }
        if let Some(slot) = self.slots.get_mut(place) {
            slot.waiting = Some(waiting);
        }
    }

    fn uncount(&mut self, waiting: &Waiting) {
        if waiting.job.is_large() {
            self.waiting[waiting.urgency as usize] -= 1;
            self.backlog.shrink(1);
        }
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
            let Some(waiting) = slot.waiting.take() else { continue };
            slot.running = Some((waiting.fingerprint, waiting.since));
            self.running += 1;
            self.uncount(&waiting);
            let Waiting { copies, job, fingerprint, urgency, since } = *waiting;
            let (_, namespace, name) = place;
            return Some(Work { copies, namespace, name, job: job.unfold(), fingerprint, urgency, since });
        }
        None
    }

    /// Copies whose jobs found no room and may come back now.
    pub fn come_back(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        for (waiting, outside) in self.waiting.iter().zip(&mut self.outside).rev() {
            let mut free = self.backlog.free(*waiting);
            while free > 0 {
                let Some(next) = outside.pop_front() else { break };
                let place = place(&next.copies, &next.namespace, &next.name);
                let Some(slot) = self.slots.get_mut(&place) else { continue };
                if slot.outside.take().is_none() {
                    continue;
                }
                if !slot.is_used() {
                    self.slots.remove(&place);
                }
                told.push(next);
                free -= 1;
            }
            if outside.is_empty() {
                outside.shrink_to_fit();
            }
        }
        self.slim();
        told
    }

    /// Gives the memory of many slots back once few are left.
    fn slim(&mut self) {
        if self.slots.capacity() > SLIM && self.slots.len() * 8 < self.slots.capacity() {
            self.slots.shrink_to(self.slots.len() * 2);
        }
        for ready in &mut self.ready {
            if ready.capacity() > SLIM && ready.len() * 8 < ready.capacity() {
                ready.shrink_to(ready.len() * 2);
            }
        }
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
                    contest = self.contests.repaired(&place, work.fingerprint, difference, now);
                }
            }
            Err(failure) => {
                let (first, most) = pauses(&failure);
                let fingerprint = work.fingerprint;
                let mut pauses = match slot.failed.take() {
                    Some(before) if before.fingerprint == fingerprint => before.pauses,
                    _ => Backoff::new(first, most),
                };
                let retry_at = now + pauses.next_pause().max(failure.overload().unwrap_or_default());
                slot.failed = Some(Box::new(Failed { fingerprint, failure, retry_at, pauses, copies: work.copies.clone() }));
            }
        }
        match &slot.waiting {
            Some(waiting) => self.ready[waiting.urgency as usize].push_back(place),
            None if !slot.is_used() => drop(self.slots.remove(&place)),
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
            match &slot.waiting {
                Some(newer) => self.ready[newer.urgency as usize].push_front(place),
                None => {
                    let Work { copies, job, fingerprint, urgency, since, .. } = work;
                    let waiting = Waiting { copies, job: Folded::of(job, true), fingerprint, urgency, since };
                    self.put(&place, Box::new(waiting));
                    self.ready[urgency as usize].push_front(place);
                }
            }
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
            None if !slot.is_used() => drop(self.slots.remove(&place)),
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
        self.outside.iter_mut().for_each(VecDeque::clear);
        self.slots.retain(|_, slot| {
            (slot.waiting, slot.outside, slot.failed) = (None, None, None);
            slot.running.is_some()
        });
        self.backlog.shrink(self.waiting.iter().sum());
        self.waiting = [0; 3];
        self.silence = None;
        self.slim();
    }

    pub fn attempt(&self, copies: &Arc<Copies>, namespace: &str, name: &str, now: Instant) -> Option<Attempt> {
        let place = place(copies, namespace, name);
        if let Some((fingerprint, by, retry_at)) = self.contests.standing(&place, now) {
            let trouble = Trouble::Contested(Box::new(by.clone()));
            return Some(Attempt::Failed { fingerprint, failure: Arc::new(Failure { step: Step::Update, trouble }), retry_at });
        }
        let slot = self.slots.get(&place)?;
        if let Some(work) = &slot.waiting {
            return Some(Attempt::Pending { fingerprint: work.fingerprint, since: work.since });
        }
        if let Some((fingerprint, since)) = slot.running {
            return Some(Attempt::Pending { fingerprint, since });
        }
        if let Some((fingerprint, since)) = slot.outside {
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
                && let Some(failed) = slot.failed.take_if(|failed| missing(failed)).map(|failed| *failed)
            {
                freed.push((failed.copies, name.clone()));
            }
            slot.is_used()
        });
        freed
    }

    /// What was refused because the whole member was only read may be tried again.
    pub fn free_fenced(&mut self) {
        let fenced = |failed: &Failed| matches!(failed.failure.trouble, Trouble::Refused(Refusal::Fenced(_)));
        self.slots.retain(|_, slot| {
            slot.failed.take_if(|failed| fenced(failed));
            slot.is_used()
        });
    }

    pub fn waiting(&self) -> usize {
        self.waiting.iter().sum::<usize>() + self.outside.iter().map(VecDeque::len).sum::<usize>()
    }

    pub fn pending(&self) -> usize {
        self.running + self.slots.values().filter(|slot| slot.waiting.is_some() || slot.outside.is_some()).count()
    }
}
