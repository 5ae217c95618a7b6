//! One member: what is known of it, its lane, its indexes, and the task that keeps its connection and health.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use comity_api_kubefed::{
    KubeFedCluster,
    cluster::{ClusterSpec, Labels},
    keys,
};
use comity_core::{GroupVersionResource, Value, object, time::rfc3339};
use comity_lane::{ClusterClient, Copies, Facts, Interest, Lane, PatchKind, Target, copies::OnCopy, facts::OnFact};
use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    connect,
    entrance::Entrance,
    flags::{FlaggedCondition, Flags},
    health::{Health, Judgement, Thresholds},
    probe::{self, Probe},
    report,
};

/// A member as everybody else sees it.
pub struct Member {
    /// Name.
    pub name: Arc<str>,
    /// UID of its `KubeFedCluster`.
    pub uid: String,
    /// Its lane.
    pub lane: Lane,
    hub: Arc<str>,
    /// Asks for a look at its health.
    silence: Arc<Notify>,
    labels: RwLock<Arc<Labels>>,
    allowance: RwLock<String>,
    health: RwLock<Health>,
    silent_since: RwLock<Option<Timestamp>>,
    flags: Flags,
    answers: watch::Sender<bool>,
    copies: RwLock<HashMap<String, Arc<Copies>>>,
    facts: RwLock<Vec<Arc<Facts>>>,
}

impl Member {
    /// Conditions that were flagged before a restart stand until somebody takes them away.
    pub(crate) fn new(name: &str, object: &Value, lane: Lane, hub: Arc<str>, silence: Arc<Notify>) -> Self {
        Self {
            name: name.into(),
            uid: object::uid(object).to_owned(),
            lane,
            hub,
            silence,
            labels: RwLock::default(),
            allowance: RwLock::default(),
            health: RwLock::default(),
            silent_since: RwLock::new(report::silent_since(object)),
            flags: Flags::stored(object),
            answers: watch::Sender::new(false),
            copies: RwLock::default(),
            facts: RwLock::default(),
        }
    }

    /// Its labels.
    pub fn labels(&self) -> Arc<Labels> {
        self.labels.read().clone()
    }

    /// Its health.
    pub fn health(&self) -> Health {
        self.health.read().clone()
    }

    /// Whether it answers.
    pub fn is_ready(&self) -> bool {
        *self.health.read() == Health::Ready
    }

    /// The index of a target's copies; `None` while nobody watches the target.
    pub fn copies(&self, owner_kind: &str) -> Option<Arc<Copies>> {
        self.copies.read().get(owner_kind).cloned()
    }

    /// For how long it has not been ready, restarts of the hub included; nothing while it is ready.
    pub fn silent_for(&self, now: Timestamp) -> Duration {
        let since = *self.silent_since.read();
        since.map_or(Duration::ZERO, |since| Duration::try_from(now.duration_since(since)).unwrap_or_default())
    }

    /// The extra conditions that stand.
    pub fn flags(&self) -> BTreeMap<String, FlaggedCondition> {
        self.flags.all()
    }

    pub(crate) fn flag(&self, condition: FlaggedCondition) {
        self.flags.set(condition);
    }

    pub(crate) fn unflag(&self, kind: &str) {
        self.flags.remove(kind);
    }

    /// The value of the annotation by which held deletions are let go; empty where it is not set.
    pub fn allowance(&self) -> String {
        self.allowance.read().clone()
    }

    pub(crate) fn set_allowance(&self, id: &str) -> bool {
        let mut known = self.allowance.write();
        let changed = *known != id;
        id.clone_into(&mut known);
        changed
    }

    /// All copies that are known there, of every target, and whether every target's have been listed.
    pub fn total_copies(&self) -> (usize, bool) {
        let copies = self.copies.read();
        (copies.values().map(|copies| copies.len()).sum(), copies.values().all(|copies| copies.is_synced()))
    }

    /// What the member holds of a resource that somebody follows; `None` while nobody does.
    pub fn facts(&self, gvr: &GroupVersionResource) -> Option<Arc<Facts>> {
        self.facts.read().iter().find(|facts| facts.gvr() == gvr).cloned()
    }

    pub(crate) fn set_labels(&self, labels: Labels) -> bool {
        let mut known = self.labels.write();
        let changed = **known != labels;
        if changed {
            *known = Arc::new(labels);
        }
        changed
    }

    fn set_health(&self, health: Health) -> bool {
        let mut known = self.health.write();
        let flipped = std::mem::discriminant(&*known) != std::mem::discriminant(&health);
        self.answers.send_replace(health == Health::Ready);
        let mut since = self.silent_since.write();
        *since = if health == Health::Ready { None } else { since.or_else(|| Some(Timestamp::now())) };
        *known = health;
        flipped
    }

    /// Whether it answers, and every change of that.
    pub(crate) fn answers(&self) -> watch::Receiver<bool> {
        self.answers.subscribe()
    }

    pub(crate) fn watch(&self, target: &Arc<Target>, on_copy: OnCopy) {
        self.lane.expect(&target.owner_kind);
        let silence = self.silence.clone();
        let copies = Copies::new(target.clone(), self.hub.clone(), on_copy, Arc::new(move || silence.notify_one()));
        if let Some(client) = self.lane.client() {
            copies.follow(client);
        }
        if let Some(earlier) = self.copies.write().insert(target.owner_kind.clone(), copies) {
            earlier.stop();
        }
    }

    pub(crate) fn unwatch(&self, owner_kind: &str) {
        if let Some(copies) = self.copies.write().remove(owner_kind) {
            copies.stop();
        }
        self.lane.examined(owner_kind);
    }

    pub(crate) fn look_at(&self, interest: &Interest, on_fact: OnFact) {
        let facts = Facts::new(interest.clone(), on_fact);
        if let Some(client) = self.lane.client() {
            facts.follow(client);
        }
        self.facts.write().push(facts);
    }

    /// Says of a member that answers which of its kinds cannot be followed.
    fn flag_what_is_behind(&self, answers: bool) {
        let copies = self.copies.read();
        let obstacles =
            copies.values().filter(|_| answers).filter_map(|c| c.obstacle().map(|why| format!("{}: {why}", c.target().gvr.resource)));
        let mut behind: Vec<String> = obstacles.collect();
        behind.sort();
        if behind.is_empty() {
            self.flags.remove(BEHIND);
        } else {
            let (kind, reason) = (BEHIND.to_owned(), "CachedRetrievalFailed".to_owned());
            self.flags.set(FlaggedCondition { kind, status: true, reason, message: behind.join("; ") });
        }
    }

    pub(crate) fn stop(&self) {
        self.lane.clear();
        self.lane.connect(None);
        self.facts.write().drain(..).for_each(|facts| facts.stop());
        self.copies.write().drain().for_each(|(_, copies)| copies.stop());
    }

    /// `elsewhere`: what was known is of another cluster.
    fn connect(&self, client: Option<ClusterClient>, elsewhere: bool) {
        if elsewhere {
            self.lane.clear();
            self.lane.reset_fence(self.copies.read().keys().cloned());
        }
        self.lane.connect(client.clone());
        for copies in self.copies.read().values() {
            if elsewhere {
                copies.forget();
            }
            match &client {
                Some(client) => copies.follow(client.clone()),
                None => copies.stop(),
            }
        }
        for facts in self.facts.read().iter() {
            if elsewhere {
                facts.forget();
            }
            match &client {
                Some(client) => facts.follow(client.clone()),
                None => facts.stop(),
            }
        }
    }
}

/// Everything from the hub that a member's task needs.
#[derive(Clone)]
pub(crate) struct Input {
    pub object: Arc<Value>,
    pub secret: Option<Arc<Value>>,
    pub thresholds: Thresholds,
}

/// The task of one member.
pub(crate) struct Keeper {
    pub member: Arc<Member>,
    pub hub: ClusterClient,
    pub input: watch::Receiver<Input>,
    pub connect: Connect,
    pub entrance: Entrance,
    pub on_change: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Makes a client from a cluster's spec and its token; the text of a failure names the field.
pub type Connect = Arc<dyn Fn(&ClusterSpec, &str) -> Result<ClusterClient, String> + Send + Sync>;

/// Condition of a member whose objects of some kinds are known as of an earlier time, or not at all.
const BEHIND: &str = "CopiesBehind";
/// Between two looks at a member, whatever asks for them. A connection that breaks is news that a look must tell at once.
const SPACING: Duration = Duration::from_millis(250);
/// The same while it is known that it does not answer.
const SPACING_OUT: Duration = Duration::from_secs(1);
/// Flags that change often are written together.
const GATHER: Duration = Duration::from_millis(250);
/// A status is written for its times alone not more often than this.
const REFRESH: Duration = Duration::from_secs(300);

impl Keeper {
    /// Probes for ever; connection and health follow the input.
    pub async fn run(mut self) {
        let mut judgement = Judgement::default();
        let mut connected: Option<(Value, String)> = None;
        let mut client: Result<ClusterClient, String> = Err("not tried yet".to_owned());
        let mut version: Option<(Instant, String)> = None;
        // a connection on which nothing came may be dead while the cluster is not: the next look takes a new one
        let mut suspect = false;
        loop {
            let input = self.input.borrow_and_update().clone();
            let wanted = fingerprint(&input);
            let anew = connected.as_ref() != Some(&wanted);
            if anew {
                self.entrance.enter().await;
                client = build(&input, &self.connect);
                suspect = false;
                let endpoint = |(spec, _): &(Value, String)| object::str_at(spec, &["apiEndpoint"]).to_owned();
                let elsewhere = connected.as_ref().is_some_and(|known| endpoint(known) != endpoint(&wanted));
                self.member.connect(client.clone().ok(), elsewhere);
                connected = Some(wanted);
                judgement.reset();
                version = None;
            }
            let looked = Instant::now();
            let fresh = if suspect { build(&input, &self.connect).ok() } else { None };
            let probe = match fresh.as_ref().map_or(client.as_ref(), Ok) {
                Ok(client) => probe::look(client, input.thresholds.timeout).await.with_advice(&input.object),
                Err(why) => Probe::Malformed { why: why.clone() },
            };
            if anew {
                self.entrance.leave();
            }
            suspect = matches!(probe, Probe::Silent { .. });
            if let (Some(fresh), false) = (fresh, suspect) {
                self.member.connect(Some(fresh.clone()), false);
                client = Ok(fresh);
            }
            if let (true, Ok(client)) = (probe.is_ok() && version.as_ref().is_none_or(|(at, _)| at.elapsed() >= REFRESH), &client) {
                version = probe::version(client, input.thresholds.timeout).await.map(|text| (Instant::now(), text));
            }
            self.member.flag_what_is_behind(probe.is_ok());
            let (stands, pause) = judgement.take(probe, &input.thresholds);
            let stands = stands.clone();
            self.publish(&stands);
            let again = Instant::now() + pause;
            loop {
                self.write(&stands, version.as_ref().map_or("", |(_, text)| text)).await;
                let written = Instant::now();
                tokio::select! {
                    biased;
                    changed = self.input.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep_until(again) => {}
                    // many jobs may fail at once: that is one reason to look, not many
                    () = self.member.silence.notified() => {
                        let spacing = if stands.is_ok() { SPACING } else { SPACING_OUT };
                        tokio::time::sleep_until(looked + spacing.min(pause)).await;
                    }
                    () = self.member.flags.changed() => {
                        tokio::time::sleep_until(written + GATHER).await;
                        continue;
                    }
                }
                break;
            }
        }
    }

    fn publish(&self, stands: &Probe) {
        let health = report::health(stands);
        let ready = health == Health::Ready;
        if !self.member.set_health(health) {
            return;
        }
        if ready {
            self.member.lane.resume();
            for copies in self.member.copies.read().values() {
                copies.retry_now();
            }
            self.member.facts.read().iter().for_each(|facts| facts.retry_now());
        } else {
            self.member.lane.clear();
        }
        (self.on_change)(&self.member.name);
    }

    /// Writes the status if it says something new, or if the last word is old.
    async fn write(&self, stands: &Probe, version: &str) {
        let object = self.input.borrow().object.clone();
        let now = Timestamp::now();
        let status = report::status(&object, stands, version, &self.member.flags(), &rfc3339(now));
        let fresh = report::last_probe(&object).is_some_and(|at| now.duration_since(at).unsigned_abs() < REFRESH);
        if fresh && report::same(object.get("status"), &status) {
            return;
        }
        let gvr = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, "kubefedclusters");
        let (namespace, name) = (object::namespace(&object), object::name(&object));
        let body = comity_core::json!({
            "apiVersion": gvr.api_version(), "kind": "KubeFedCluster",
            "metadata": {"name": name, "namespace": namespace, "uid": object::uid(&object)},
            "status": status,
        });
        let kind = PatchKind::Apply { force: true };
        if let Err(error) = self.hub.patch(&gvr, namespace, name, Some("status"), kind, &body, crate::MANAGER, false).await {
            tracing::debug!(cluster = name, %error, "the cluster's status could not be written; the next probe tries again");
        }
    }
}

/// Spec and token: what a connection is made of.
fn fingerprint(input: &Input) -> (Value, String) {
    let token = input.secret.as_ref().map(|s| object::str_at(s, &["data", "token"]).to_owned());
    (input.object.get("spec").cloned().unwrap_or_default(), token.unwrap_or_default())
}

fn build(input: &Input, connect: &Connect) -> Result<ClusterClient, String> {
    let cluster = KubeFedCluster::read(&input.object).map_err(|e| e.to_string())?;
    if cluster.spec.mode == "Pull" {
        return Err("mode Pull: members that dial in cannot be used so far".to_owned());
    }
    let token = connect::token(input.secret.as_deref(), &cluster.spec.secret_ref.name)?;
    connect(&cluster.spec, &token)
}
