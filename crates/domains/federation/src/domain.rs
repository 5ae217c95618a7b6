//! The five steps of one federated object: gather, validate, plan, execute, report.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use comity_api_kubefed::federated::ClusterEntry;
use comity_core::{Value, digest, object, time::rfc3339};
use comity_fleet::{Fleet, FleetEvent};
use comity_lane::{Cache, ClusterClient, Job, Report};
use comity_runtime::{
    Action, Cause, Controller, CopyAction, CopyRound, Guard, Held, Key, Outcome, Priority, Queue, Stop, events::EventKind, executor,
};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use crate::{
    announce::{self, Announcements},
    fence, gather,
    model::{Fault, Hub, Observed},
    owners::Place,
    plan::{self, Plan, sooner},
    status,
    tombstones::Tombstones,
    types::Running,
    validate, words,
};

/// Later changes of a status are gathered for so long; a write under way is given so long before it is told.
const GATHER: Duration = Duration::from_millis(250);
/// And so much longer for each cluster beyond [`FEW`]: what many members answer is told in few writes.
const GATHER_EACH: Duration = Duration::from_millis(2);
/// While writes are under way in so many clusters, their progress is told in so many times that time.
const UNDER_WAY: u32 = 4;
/// A round of an object is followed by a rest of so much for each of its clusters, unless a user wants it, so that
/// what many members answer is looked at in few rounds.
const REST_EACH: Duration = Duration::from_micros(500);
/// Objects in so many clusters are looked at and told of whenever something happens.
const FEW: usize = 20;
/// A status waits so long for a member that has not been read yet; then it says so.
const UNREAD: Duration = Duration::from_secs(1);
/// After so long the cache shows what was written.
const CAUGHT_UP: Duration = Duration::from_secs(5);

/// What is read of the hub beside members and federated objects.
pub(crate) struct Sources {
    pub namespaces: Cache,
    pub definitions: Cache,
    pub tombstones: Tombstones,
}

/// The domain's state.
pub struct Federation {
    pub(crate) hub: ClusterClient,
    pub(crate) hub_mark: Hub,
    pub(crate) fleet: Fleet,
    pub(crate) queue: Queue,
    /// The hub's own namespaces: their labels and uids.
    pub(crate) namespaces: Cache,
    /// The hub's definitions, without what they say.
    pub(crate) definitions: Cache,
    pub(crate) guard: Arc<Guard>,
    pub(crate) tombstones: Tombstones,
    /// Cascades that were told of.
    pub(crate) told: Mutex<BTreeSet<String>>,
    pub(crate) types: RwLock<BTreeMap<String, Arc<Running>>>,
    written: Mutex<HashMap<Key, (Instant, u64)>>,
    /// Objects whose status waits for a member that has not been read yet, and since when.
    unread: Mutex<HashMap<Key, Instant>>,
    announcements: Arc<Announcements>,
}

impl Federation {
    pub(crate) fn new(hub: ClusterClient, hub_mark: Hub, fleet: Fleet, sources: Sources) -> Self {
        Self {
            hub,
            hub_mark,
            fleet,
            queue: Queue::new(),
            namespaces: sources.namespaces,
            definitions: sources.definitions,
            guard: Guard::new(),
            tombstones: sources.tombstones,
            told: Mutex::default(),
            types: RwLock::default(),
            written: Mutex::default(),
            unread: Mutex::default(),
            announcements: Arc::default(),
        }
    }

    /// A type that runs, by the kind of its federated objects.
    pub(crate) fn running(&self, owner_kind: &str) -> Option<Arc<Running>> {
        self.types.read().get(owner_kind).cloned()
    }

    /// The type of FederatedNamespaces, if it runs.
    pub(crate) fn namespace_type(&self) -> Option<Arc<Running>> {
        self.types.read().values().find(|running| running.kind.is_namespace).cloned()
    }

    /// The types that run.
    pub(crate) fn all_running(&self) -> Vec<Arc<Running>> {
        self.types.read().values().cloned().collect()
    }

    /// All objects of all types are looked at again.
    pub(crate) fn look_again(&self) {
        self.all_running().iter().for_each(|running| self.look_again_at(running));
    }

    /// The objects of one type that a member concerns are looked at again.
    pub(crate) fn look_again_in(&self, running: &Running, cluster: &str) {
        self.look_at_places(running, cluster, running.owners.of_member(cluster));
    }

    fn look_at_places(&self, running: &Running, cluster: &str, placed: Vec<Place>) {
        for (namespace, name) in placed {
            self.queue.add(running.key(&namespace, &name), Priority::Resync);
        }
        let copies = self.fleet.member(cluster).and_then(|member| member.copies(&running.kind.target.owner_kind));
        let Some(copies) = copies else { return };
        copies.each(|namespace, name, _| {
            let (namespace, name) = running.owner_of(namespace, name);
            self.queue.add(running.key(namespace, name), Priority::Resync);
        });
    }

    /// All objects of one type are looked at again.
    pub(crate) fn look_again_at(&self, running: &Running) {
        for (namespace, name) in running.cache.names() {
            self.queue.add(running.key(&namespace, &name), Priority::Resync);
        }
    }

    pub(crate) fn fleet_changed(&self, event: &FleetEvent) {
        tracing::debug!(?event, "the fleet changed");
        let (FleetEvent::Joined(cluster) | FleetEvent::Left(cluster) | FleetEvent::Changed(cluster)) = event;
        for running in self.all_running() {
            let placed = running.owners.member_changed(cluster, &self.fleet);
            self.look_at_places(&running, cluster, placed);
        }
        self.look_at_tombstones();
    }

    /// Tells the event about a write to a member.
    pub(crate) fn reported(self: &Arc<Self>, report: &Report) {
        let Some(running) = self.running(&report.target.owner_kind) else { return };
        let (namespace, name) = running.owner_of(&report.namespace, &report.name);
        let Some(owner) = running.owners.get(namespace, name) else { return };
        let object = Arc::new(running.reference(namespace, name, &owner.uid.to_string()));
        let what = report.target.describe(&report.namespace, &report.name);
        if report.made_namespace {
            let message = format!("Namespace {namespace:?} has no FederatedNamespace and was created in cluster {:?}", &*report.cluster);
            running.executor.recorder.record(&object, EventKind::Normal, "NamespaceImplicitlyFederated", &message);
        }
        match &report.result {
            Ok(done) => {
                let Some(outcome) = words::event(*done, &what) else { return };
                let key = running.key(namespace, name);
                if self.announcements.add(&key, &running, &object, outcome, &report.cluster) {
                    let federation = Arc::downgrade(self);
                    let moment = announce::moment(running.owners.spread(namespace, name));
                    tokio::spawn(async move {
                        let Some(announcements) = federation.upgrade().map(|f| f.announcements.clone()) else { return };
                        announcements.gather(&key, moment).await;
                        announcements.tell(&key);
                    });
                }
            }
            Err(failure) => {
                let (reason, message) = words::failed_event(failure, &what, &report.cluster);
                running.executor.recorder.record(&object, EventKind::Warning, reason, &message);
            }
        }
    }

    /// Whether the status has to wait for members that have not been read yet; one that never is does not keep the
    /// others' news back.
    fn waits_for_unread(&self, key: &Key, plan: &Plan, user: bool, wake: &mut Option<Duration>) -> bool {
        let mut unread = self.unread.lock();
        let unknown = |verdict: &plan::Verdict| verdict.unread && (user || !verdict.is_compared_later());
        if !plan.verdicts.values().any(unknown) {
            unread.remove(key);
            return false;
        }
        let patience = if user { UNREAD } else { CAUGHT_UP };
        let rest = patience.saturating_sub(unread.entry(key.clone()).or_insert_with(Instant::now).elapsed());
        if rest.is_zero() {
            return false;
        }
        sooner(wake, rest);
        true
    }

    /// What the writes that are under way have to wait for others in their lanes, where that is least.
    fn crowd(&self, plan: &Plan) -> Duration {
        let pending = plan.verdicts.iter().filter(|(_, verdict)| verdict.pending.is_some());
        let waiting = pending.filter_map(|(cluster, _)| Some(self.fleet.member(cluster)?.lane.waiting())).min().unwrap_or(0);
        EACH_BEFORE.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX)).min(CAUGHT_UP / 2)
    }

    /// Writes the finalizers that a plan asks for; the hub's answer if there was something to write.
    async fn write_finalizers(&self, running: &Running, seen: &Observed, plan: &mut Plan) -> Result<Option<Value>, String> {
        let Some(finalizers) = plan.finalizers.take() else { return Ok(None) };
        let action = Action::Finalizers { object: seen.object.clone(), finalizers };
        match running.executor.run(action).await {
            executor::Outcome::Done(answer) => Ok(answer),
            executor::Outcome::Failed(error) if error.is_not_found() => Ok(None),
            executor::Outcome::Failed(error) => Err(format!("the finalizer: {error}")),
        }
    }

    /// Hands the writes to the lanes; what the guard keeps back is in the verdicts then.
    fn submit(&self, running: &Running, seen: &Observed, plan: &mut Plan) {
        let (namespace, name) = running.kind.copy_name(object::namespace(&seen.object), object::name(&seen.object));
        let mut actions = Vec::new();
        for (cluster, verdict) in &mut plan.verdicts {
            let (Some(job), Some(urgency)) = (verdict.job.take(), verdict.urgency) else { continue };
            let (cluster, namespace, name) = (cluster.clone(), namespace.to_owned(), name.to_owned());
            actions.push(CopyAction { cluster, namespace, name, job, urgency, cause: verdict.cause.clone() });
        }
        for action in actions.iter().filter(|action| matches!(action.job, Job::Apply(_))) {
            running.owners.may_hold(object::namespace(&seen.object), object::name(&seen.object), &action.cluster);
        }
        // what was told of deletions matters only where there are some
        let told =
            if actions.iter().all(|action| matches!(action.job, Job::Apply(_))) { Vec::new() } else { ClusterEntry::of(&seen.object) };
        let reported: BTreeMap<String, ClusterEntry> = told.into_iter().map(|e| (e.name.clone(), e)).collect();
        let unedited = plan::urgency(seen) != comity_lane::Urgency::User;
        let too_many = reported.values().filter(|e| unedited && e.reason == executor::guard::LEAVES_TOO_MANY);
        let held_before = too_many.map(|e| e.name.clone()).collect();
        let round = CopyRound { owner: seen.object.clone(), copies: plan::held_copies(seen), held_before, actions };
        for (cluster, stop) in running.executor.copies(round) {
            match stop {
                Stop::Wait(after) => sooner(&mut plan.wake, after),
                Stop::Held(held) => {
                    if let Held::Cascade { from, id } = &held {
                        self.tell_cascade(running, from, id);
                    }
                    let known = reported.get(&cluster).is_some_and(|entry| entry.reason == held.code());
                    if held.is_shown() && !known {
                        plan.warnings.push(("DeletionHeld", format!("cluster {cluster}: {held}")));
                    }
                    let Some(verdict) = plan.verdicts.get_mut(&cluster) else { continue };
                    verdict.pending = None;
                    verdict.fault = Some(Fault::new("DeletionHeld", held.code(), held.to_string()));
                }
            }
        }
    }

    async fn warn(&self, running: &Running, seen: &Observed, plan: &mut Plan) {
        for (reason, message) in plan.warnings.drain(..) {
            let (object, reason) = (seen.object.clone(), reason.to_owned());
            running.executor.run(Action::Event { object, kind: EventKind::Warning, reason, message }).await;
        }
    }

    /// Carries a plan out and reports it; what must wait is in the wake-up.
    async fn carry_out(
        &self,
        running: &Running,
        key: &Key,
        seen: &Observed,
        mut plan: Plan,
        wake: &mut Option<Duration>,
    ) -> Result<(), String> {
        let going = object::is_deleting(&seen.object) && plan.finalizers.is_some();
        let written = self.write_finalizers(running, seen, &mut plan).await?;
        breathe(seen).await;
        self.submit(running, seen, &mut plan);
        breathe(seen).await;
        self.warn(running, seen, &mut plan).await;
        if let Some(answer) = written {
            // the next round must not write it again
            let reached = running.cache.reached(object::resource_version(&answer));
            let _ = tokio::time::timeout(CAUGHT_UP, reached).await;
        }
        let user = plan::urgency(seen) == comity_lane::Urgency::User;
        let gather = gather_for(seen.members.len()) + self.crowd(&plan);
        let unread = self.waits_for_unread(key, &plan, user, wake);
        if !settling(&plan, user, gather, wake) && !unread && !going {
            let status = status::report(seen, &plan, &rfc3339(Timestamp::now()));
            let under_way = seen.members.len() > FEW && plan.verdicts.values().any(|v| v.pending.is_some());
            self.report(running, key, seen, status, under_way, wake).await?;
        }
        if let Some(at) = plan.wake {
            sooner(wake, at);
        }
        Ok(())
    }

    /// One round for an object that stands.
    async fn keep(&self, running: &Running, key: &Key, object: Arc<Value>, wake: &mut Option<Duration>) -> Result<(), String> {
        self.exhume(key).await?;
        let seen = gather::observe(self, running, object, Cause::OwnerDeleted);
        fence::compare(self, &seen);
        breathe(&seen).await;
        match validate::desired(&seen) {
            Ok(want) => self.carry_out(running, key, &seen, plan::plan(&seen, &want), wake).await,
            Err(problems) => {
                for problem in problems.iter().filter(|_| plan::urgency(&seen) == comity_lane::Urgency::User) {
                    running.executor.recorder.record(&seen.object, EventKind::Warning, problem.reason, &problem.message);
                }
                self.report(running, key, &seen, status::invalid(&seen, &problems, &rfc3339(Timestamp::now())), false, wake).await
            }
        }
    }

    /// One round for an object that is being deleted.
    async fn remove(&self, running: &Running, key: &Key, object: Arc<Value>, wake: &mut Option<Duration>) -> Result<(), String> {
        let deleted_by = self.deleted_by(running, &object).await?;
        let seen = gather::observe(self, running, object, deleted_by);
        fence::compare(self, &seen);
        breathe(&seen).await;
        let deletion = validate::deletion(&seen).unwrap_or_default();
        let plan = plan::removal(&seen, &deletion);
        if plan.finalizers.is_some() && !plan.deferred.is_empty() {
            self.bury(running, &seen, &deletion, &plan.deferred).await?;
        }
        self.carry_out(running, key, &seen, plan, wake).await
    }

    /// Writes the status if it is news and if its time has come.
    async fn report(
        &self,
        running: &Running,
        key: &Key,
        seen: &Observed,
        status: Value,
        under_way: bool,
        wake: &mut Option<Duration>,
    ) -> Result<(), String> {
        if !status::is_news(seen.object.get("status"), &status) {
            return Ok(());
        }
        let content = digest::of(&status::essence(&status));
        if let Some((at, last)) = self.written.lock().get(key).copied() {
            let age = at.elapsed();
            if last == content && age < CAUGHT_UP {
                return Ok(());
            }
            let gather = gather_for(seen.members.len()) * if under_way { UNDER_WAY } else { 1 };
            if age < gather {
                sooner(wake, gather.saturating_sub(age));
                return Ok(());
            }
        }
        match running.executor.run(Action::Status { object: seen.object.clone(), status }).await {
            executor::Outcome::Failed(error) if error.is_not_found() => Ok(()),
            executor::Outcome::Failed(error) => Err(format!("the status: {error}")),
            executor::Outcome::Done(_) => {
                let mut written = self.written.lock();
                if written.len() > 1024 {
                    written.retain(|_, (at, _)| at.elapsed() < CAUGHT_UP);
                }
                written.insert(key.clone(), (Instant::now(), content));
                Ok(())
            }
        }
    }
}

/// Lets others go on between the steps of a round that takes long: whoever waits for the hub waits for a step, not for a round.
async fn breathe(seen: &Observed) {
    if seen.members.len() > FEW {
        tokio::task::yield_now().await;
    }
}

/// How long news of an object in so many clusters is gathered.
pub(crate) fn gather_for(clusters: usize) -> Duration {
    let beyond = u32::try_from(clusters.saturating_sub(FEW)).unwrap_or(u32::MAX);
    GATHER + GATHER_EACH.saturating_mul(beyond).min(CAUGHT_UP / 2)
}

/// How long a write takes in a lane where others wait before it; a guess.
const EACH_BEFORE: Duration = Duration::from_millis(1);

/// Whether the status has to wait for writes that are about to end, and how long at most.
///
/// Nobody waits for news of an object that nobody has changed: what was told of it stays for longer, so that a restart
/// on a busy machine does not tell every object as pending and then as it was.
fn settling(plan: &Plan, user: bool, gather: Duration, wake: &mut Option<Duration>) -> bool {
    let patience = if user { gather } else { CAUGHT_UP };
    let youngest = plan.verdicts.values().filter(|v| !v.unread).filter_map(|v| v.pending).filter(|since| *since < patience).min();
    match youngest {
        Some(since) => {
            sooner(wake, patience.saturating_sub(since));
            true
        }
        None => false,
    }
}

#[async_trait]
impl Controller for Federation {
    fn name(&self) -> &str {
        "federation"
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        let Some(running) = self.running(&key.kind) else { return Outcome::Done };
        let Some(object) = running.cache.get(&key.namespace, &key.name) else {
            // what has not been read is not gone
            if !running.cache.is_synced() {
                return Outcome::Again(UNREAD);
            }
            self.written.lock().remove(key);
            self.unread.lock().remove(key);
            self.guard.forget(key);
            gather::forget(self, &running, &key.namespace, &key.name);
            return match self.settle_tombstones(&running, key).await {
                Ok(None) => Outcome::Done,
                Ok(Some(after)) => Outcome::Again(after),
                Err(why) => Outcome::Retry(why),
            };
        };
        // whether a namespace is federated must be known, or an object could land where its namespace does not go
        if self.namespace_type().is_some_and(|namespaces| !namespaces.is_read()) {
            return Outcome::Again(UNREAD);
        }
        let mut wake = None;
        let done = if object::is_deleting(&object) {
            self.remove(&running, key, object, &mut wake).await
        } else {
            self.keep(&running, key, object, &mut wake).await
        };
        let clusters = running.owners.spread(&key.namespace, &key.name);
        if clusters > FEW {
            self.queue.rest(key.clone(), REST_EACH.saturating_mul(u32::try_from(clusters).unwrap_or(u32::MAX)));
        }
        match (done, wake) {
            (Err(why), _) => Outcome::Retry(why),
            (Ok(()), Some(after)) => Outcome::Again(after),
            (Ok(()), None) => Outcome::Done,
        }
    }
}
