//! The lane of one member: its queue of jobs, so many at a time, and the breaker that holds them while it is silent.
//!
//! The lane keeps nothing of what is wanted in the long run: a job that ended is forgotten, a job that failed is
//! remembered until the next one of the same copy. Whoever wants something asks again; the same job twice is one job.

mod backlog;
mod concurrency;
mod contest;
mod queue;

use std::{sync::Arc, time::Duration};

use comity_core::time::rfc3339;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::{sync::watch, time::Instant};

use crate::{
    arbitrate::Refusal,
    client::ClusterClient,
    copies::Copies,
    fence::{Closed, Fence, Standing, Tenure},
    job::{Done, Failure, Job, Notes, Runner, Step, Trouble},
    target::Target,
};
pub use backlog::Backlog;
pub use concurrency::Concurrency;
use queue::State;

/// How urgent a job is; user edits go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A routine look.
    Resync,
    /// The member moved away from what was wanted.
    Drift,
    /// Somebody changed what is wanted.
    User,
}

/// Where the last job of a copy stands.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// In the queue, or being carried out, since then.
    Pending {
        /// [`Job::fingerprint`].
        fingerprint: u64,
        /// When it was asked for.
        since: Instant,
    },
    /// It failed.
    Failed {
        /// [`Job::fingerprint`].
        fingerprint: u64,
        /// Why.
        failure: Arc<Failure>,
        /// The same job is not carried out again before.
        retry_at: Instant,
    },
}

/// A job that ended.
#[derive(Debug)]
pub struct Report {
    /// The member.
    pub cluster: Arc<str>,
    /// The target of the copy.
    pub target: Arc<Target>,
    /// Namespace of the copy.
    pub namespace: Box<str>,
    /// Name of the copy.
    pub name: Box<str>,
    /// What was done, or why not.
    pub result: Result<Done, Arc<Failure>>,
    /// What would have been done.
    pub step: Step,
    /// The namespace was made on the way.
    pub made_namespace: bool,
}

/// Told of every job that ended. It must not block.
pub type OnReport = Arc<dyn Fn(&Report) + Send + Sync>;

/// How a lane behaves.
#[derive(Clone)]
pub struct LaneOptions {
    /// The member's name.
    pub cluster: Arc<str>,
    /// Epoch of the hub.
    pub epoch: u64,
    /// Jobs at a time.
    pub concurrency: Concurrency,
    /// How many jobs may wait.
    pub backlog: Backlog,
    /// Told of every job that ended.
    pub on_report: OnReport,
    /// Told when the member did not answer, so that its health is looked at now.
    pub on_silence: Arc<dyn Fn() + Send + Sync>,
    /// Told of every change of [`Lane::standing`] but those that time makes. It must not block.
    pub on_standing: Arc<dyn Fn(&Standing) + Send + Sync>,
}

/// The lane. Clones share it.
#[derive(Clone)]
pub struct Lane {
    inner: Arc<Inner>,
}

struct Inner {
    options: LaneOptions,
    client: RwLock<Option<ClusterClient>>,
    fence: Mutex<Fence>,
    state: Mutex<State>,
    /// Jobs that began under an earlier number are given up.
    round: watch::Sender<u64>,
}

impl Lane {
    /// A lane without a connection: jobs wait.
    pub fn new(options: LaneOptions) -> Self {
        let (client, fence, state) = (RwLock::default(), Mutex::default(), Mutex::new(State::new(options.backlog.clone())));
        Self { inner: Arc::new(Inner { options, client, fence, state, round: watch::Sender::new(0) }) }
    }

    /// The connection from now on. Jobs that run through an earlier one are given up: it may be dead.
    pub fn connect(&self, client: Option<ClusterClient>) {
        *self.inner.client.write() = client;
        self.give_up();
        self.resume();
    }

    /// The connection, where there is one.
    pub fn client(&self) -> Option<ClusterClient> {
        self.inner.client.read().clone()
    }

    /// The member answers again: what waits is carried out now.
    pub fn resume(&self) {
        self.inner.state.lock().mend();
        self.pump();
    }

    /// What may be done in the member now.
    pub fn standing(&self) -> Standing {
        self.inner.fence.lock().standing(Instant::now())
    }

    /// The copies of these owners have to be compared with them before anything is written.
    pub fn expect(&self, owner_kind: &str) {
        self.inner.fence.lock().expect(owner_kind);
    }

    /// The copies of these owners have been compared with them, or cannot be.
    pub fn examined(&self, owner_kind: &str) {
        self.fence(|fence| fence.examined(owner_kind));
    }

    /// Enough was waited for comparisons.
    pub fn open(&self) {
        self.fence(Fence::open);
    }

    /// What is known of the member's Lease.
    pub fn lease(&self, tenure: Tenure) {
        self.fence(|fence| fence.lease(tenure));
    }

    /// The member has seen a newer state of this hub: it is only read from now on.
    pub fn behind(&self, why: &str) {
        self.fence(|fence| fence.behind(why));
    }

    /// Another cluster answers under this name: everything is to be looked at again.
    pub fn reset_fence(&self, owner_kinds: impl IntoIterator<Item = String>) {
        self.fence(|fence| {
            *fence = Fence::default();
            owner_kinds.into_iter().for_each(|kind| fence.expect(&kind));
        });
    }

    fn fence(&self, change: impl FnOnce(&mut Fence)) {
        let now = Instant::now();
        let (before, after) = {
            let mut fence = self.inner.fence.lock();
            let before = fence.standing(now);
            change(&mut fence);
            (before, fence.standing(now))
        };
        if before == after {
            return;
        }
        if after == Standing::Open {
            self.inner.state.lock().free_fenced();
        }
        (self.inner.options.on_standing)(&after);
        self.pump();
    }

    /// Forgets what waits and what failed, and gives up what runs; whether that was carried out is for the watch to tell.
    pub fn clear(&self) {
        self.inner.state.lock().clear();
        self.give_up();
    }

    fn give_up(&self) {
        self.inner.round.send_modify(|round| *round += 1);
    }

    /// Wants a job done. A job of the same copy that still waits is replaced; one that failed is not repeated before its time.
    ///
    /// Where too many wait already only the wish is remembered: the listener is told when there is room, and asks again.
    pub fn submit(&self, copies: &Arc<Copies>, namespace: &str, name: &str, job: Job, urgency: Urgency) {
        let accepted = self.inner.state.lock().submit(copies, namespace, name, job, urgency, Instant::now());
        if accepted {
            self.pump();
        }
    }

    /// Where the last job of a copy stands; `None` when there is nothing to say.
    pub fn attempt(&self, copies: &Arc<Copies>, namespace: &str, name: &str) -> Option<Attempt> {
        self.inner.state.lock().attempt(copies, namespace, name, Instant::now())
    }

    /// Jobs that failed for want of this namespace may be tried again now.
    pub fn namespace_exists(&self, namespace: &str) {
        let freed = self.inner.state.lock().free_namespace(namespace);
        for (copies, name) in freed {
            copies.touch(namespace, &name);
        }
    }

    /// Applies that wait for others.
    pub fn waiting(&self) -> usize {
        self.inner.state.lock().waiting()
    }

    /// Jobs that wait, for room too, or run.
    pub fn pending(&self) -> usize {
        self.inner.state.lock().pending()
    }

    fn pump(&self) {
        // before the client is read: a job through one that was replaced in between must not live on
        let round = self.inner.round.subscribe();
        let Some(client) = self.client() else { return };
        loop {
            match self.standing() {
                Standing::Checking => return,
                Standing::Closed(closed) => return self.refuse(&closed),
                Standing::Open => {}
            }
            let next = self.inner.state.lock().next(self.inner.options.concurrency.get(), Instant::now());
            let Some(work) = next else { return };
            let (lane, client) = (self.clone(), client.clone());
            let mut round = round.clone();
            tokio::spawn(async move {
                let mut notes = Notes::default();
                let runner = Runner {
                    client: &client,
                    copies: &work.copies,
                    epoch: lane.inner.options.epoch,
                    now: rfc3339(Timestamp::now()),
                    namespace: &work.namespace,
                    name: &work.name,
                };
                let result = tokio::select! {
                    biased;
                    result = runner.run(&work.job, &mut notes) => Some(result),
                    _ = round.changed() => None,
                };
                match result {
                    Some(result) => lane.ended(work, result, notes),
                    None => lane.given_up(work),
                }
            });
        }
    }

    /// Tells copies whose jobs found no room that there is room now.
    fn call_back(&self) {
        let told = self.inner.state.lock().come_back();
        told.iter().for_each(|told| told.copies.touch(&told.namespace, &told.name));
    }

    fn pump_after(&self, pause: Duration) {
        let lane = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            lane.pump();
        });
    }

    /// Who is told looks again, and asks again for what is still wanted.
    fn given_up(&self, work: queue::Work) {
        let (copies, namespace, name) = (work.copies.clone(), work.namespace.clone(), work.name.clone());
        self.inner.state.lock().given_up(&work);
        copies.touch(&namespace, &name);
        self.call_back();
        self.pump();
    }

    /// Everything that waits ends with this answer.
    fn refuse(&self, closed: &Closed) {
        loop {
            let next = self.inner.state.lock().next(usize::MAX, Instant::now());
            let Some(work) = next else { return self.call_back() };
            let step = match &work.job {
                Job::Apply(_) => Step::Update,
                Job::Delete(_) => Step::Delete,
                Job::Release(_) => Step::Release,
                Job::Look => Step::Retrieve,
            };
            let failure = Failure { step, trouble: Trouble::Refused(Refusal::Fenced(closed.clone())) };
            self.finish(work, Err(failure), Notes::default());
        }
    }

    fn ended(&self, work: queue::Work, result: Result<Done, Failure>, notes: Notes) {
        if let Err(failure) = &result
            && failure.is_unreachable()
        {
            let pause = self.inner.state.lock().silent(work, Instant::now());
            (self.inner.options.on_silence)();
            self.pump_after(pause);
            return;
        }
        if result.as_ref().is_err_and(Failure::is_rejected) {
            (self.inner.options.on_silence)();
        }
        self.finish(work, result, notes);
        self.pump();
    }

    fn finish(&self, work: queue::Work, result: Result<Done, Failure>, notes: Notes) {
        let result = result.map_err(Arc::new);
        let overload = result.as_ref().err().and_then(|failure| failure.overload());
        let report = Report {
            cluster: self.inner.options.cluster.clone(),
            target: work.copies.target().clone(),
            namespace: work.namespace.clone(),
            name: work.name.clone(),
            step: match (&work.job, &result) {
                (_, Err(failure)) => failure.step,
                (Job::Apply(_), Ok(Done::Created)) => Step::Create,
                (Job::Apply(_), _) => Step::Update,
                (Job::Delete(_), _) => Step::Delete,
                (Job::Release(_), _) => Step::Release,
                (Job::Look, _) => Step::Retrieve,
            },
            result: result.clone(),
            made_namespace: notes.made_namespace,
        };
        let copies = work.copies.clone();
        let contest = {
            let mut state = self.inner.state.lock();
            let contest = state.ended(work, result, notes.repaired, Instant::now());
            if let Some(pause) = overload {
                state.pause(Instant::now() + pause);
            }
            contest
        };
        if let Some(pause) = overload {
            self.pump_after(pause);
        }
        if let Some(lasts) = contest {
            self.look_after(lasts, &copies, &report);
        }
        (self.inner.options.on_report)(&report);
        // success has told the listener through the index; a failure, and a second job that waited, are told here
        copies.touch(&report.namespace, &report.name);
        self.call_back();
    }
}

impl Lane {
    /// Tells the listener when a contest may be over, so that its report goes.
    fn look_after(&self, lasts: Duration, copies: &Arc<Copies>, report: &Report) {
        let (copies, namespace, name) = (Arc::downgrade(copies), report.namespace.clone(), report.name.clone());
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            if let Some(copies) = copies.upgrade() {
                copies.touch(&namespace, &name);
            }
        });
    }
}

/// The first pause after a failure of a copy, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));
/// The same for a missing namespace: it is somebody else's next step.
const RETRY_NAMESPACE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

fn pauses(failure: &Failure) -> (Duration, Duration) {
    match failure.trouble {
        Trouble::NamespaceMissing => RETRY_NAMESPACE,
        _ => RETRY,
    }
}

#[cfg(test)]
mod tests;
