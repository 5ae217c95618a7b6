//! The registry of members, kept true to the hub's objects.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use comity_api_kubefed::{KubeFedConfig, cluster, keys};
use comity_core::{GroupVersionResource, Value, object};
use comity_lane::{Backlog, Cache, CacheEvent, ClusterClient, Concurrency, Interest, Lane, LaneOptions, Standing, Target, lane::OnReport};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use crate::{
    connect,
    entrance::Entrances,
    flags::FlaggedCondition,
    lease::{LeaseTimes, Memory},
    member::{Connect, Input, Keeper, Member},
    tenant::{self, Identity, Tenant},
};

/// What happened to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetEvent {
    /// It is joined.
    Joined(String),
    /// It is no longer joined.
    Left(String),
    /// Its labels, its health or what may be deleted there changed.
    Changed(String),
}

/// How a fleet is kept.
#[derive(Clone)]
pub struct FleetOptions {
    /// The hub's API.
    pub hub: ClusterClient,
    /// Where clusters and their Secrets live.
    pub namespace: String,
    /// The hub's id, as it stands in ownership marks.
    pub hub_id: Arc<str>,
    /// The hub's epoch.
    pub epoch: u64,
    /// The instance of the hub: the same after a restart, another one for a clone. What follows the last `_` counts.
    pub instance: String,
    /// Times of the members' Leases.
    pub lease: LeaseTimes,
    /// Writes at a time to one member; fewer in a fleet of many.
    pub concurrency: usize,
    /// Told of every change of a member. It must not block.
    pub on_event: Arc<dyn Fn(&FleetEvent) + Send + Sync>,
    /// Told of every write to a member. It must not block.
    pub on_report: OnReport,
    /// How members are reached; [`over_the_network`] outside of tests.
    pub connect: Connect,
}

/// Members are reached at the endpoints that their specs name.
pub fn over_the_network() -> Connect {
    Arc::new(connect::client)
}

/// Condition of a member that is only read, because this hub is old or because another instance of it is at work there.
const HUB_BEHIND: &str = "HubBehind";

/// Told the member, namespace and name of every copy whose record changed. It must not block.
pub type OnMemberCopy = Arc<dyn Fn(&str, &str, &str) + Send + Sync>;

/// Told the member and what happened to an object of a resource that is followed in every member. It must not block.
pub type OnMemberFact = Arc<dyn Fn(&str, &CacheEvent) + Send + Sync>;

/// The fleet. Clones share it; everything ends when the last one is dropped.
#[derive(Clone)]
pub struct Fleet {
    inner: Arc<Inner>,
    _task: Arc<Task>,
}

struct Inner {
    options: FleetOptions,
    /// Of all members' lanes.
    backlog: Backlog,
    identity: Arc<Identity>,
    members: RwLock<Arc<BTreeMap<String, Arc<Member>>>>,
    tasks: Mutex<BTreeMap<String, (watch::Sender<Input>, Tasks)>>,
    watches: Mutex<Vec<(Arc<Target>, OnMemberCopy)>>,
    interests: Mutex<Vec<(Interest, OnMemberFact)>>,
    settings: watch::Sender<Arc<KubeFedConfig>>,
    loaded: watch::Sender<bool>,
    entrances: Entrances,
    concurrency: Concurrency,
}

struct Task(tokio::task::AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An interest in the copies of a target in every member; it ends when dropped.
pub struct Watch {
    fleet: Fleet,
    target: Arc<Target>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = self.fleet.inner.watches.lock();
        let before = watches.len();
        watches.retain(|(target, _)| !Arc::ptr_eq(target, &self.target));
        // a later watch of the same kind has taken its place, and stays
        if watches.len() == before {
            return;
        }
        for member in self.fleet.members().values() {
            member.unwatch(&self.target.owner_kind);
        }
    }
}

impl Fleet {
    /// Begins to follow the hub's clusters.
    pub fn start(options: FleetOptions) -> Self {
        let o = &options;
        let identity = Identity::new(o.hub.clone(), o.hub_id.clone(), o.namespace.clone(), o.epoch, o.instance.clone(), o.lease);
        let concurrency = options.concurrency.into();
        let inner = Arc::new(Inner {
            concurrency,
            options,
            backlog: Backlog::default(),
            identity: Arc::new(identity),
            members: RwLock::default(),
            tasks: Mutex::default(),
            watches: Mutex::default(),
            interests: Mutex::default(),
            settings: watch::Sender::new(Arc::new(KubeFedConfig::default())),
            loaded: watch::Sender::new(false),
            entrances: Entrances::default(),
        });
        let task = tokio::spawn(follow(inner.clone()));
        Self { inner, _task: Arc::new(Task(task.abort_handle())) }
    }

    /// The members by name, as they are now.
    pub fn members(&self) -> Arc<BTreeMap<String, Arc<Member>>> {
        self.inner.members.read().clone()
    }

    /// One member.
    pub fn member(&self, name: &str) -> Option<Arc<Member>> {
        self.inner.members.read().get(name).cloned()
    }

    /// Sets a condition of a member's `KubeFedCluster`; it stands, over restarts too, until [`Fleet::unflag`].
    pub fn flag(&self, cluster: &str, condition: FlaggedCondition) {
        if let Some(member) = self.member(cluster) {
            member.flag(condition);
        }
    }

    /// Takes a flagged condition away.
    pub fn unflag(&self, cluster: &str, kind: &str) {
        if let Some(member) = self.member(cluster) {
            member.unflag(kind);
        }
    }

    /// The control plane's configuration, and its changes.
    pub fn settings(&self) -> watch::Receiver<Arc<KubeFedConfig>> {
        self.inner.settings.subscribe()
    }

    /// Waits until the clusters have been read once.
    ///
    /// It waits for as long as the hub does not answer: give it a time limit of your own.
    pub async fn loaded(&self) {
        // an error means that the sender is gone, which `self` prevents
        let _ = self.inner.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// Writes nothing any more and gives the members' Leases back, so that another instance need not wait.
    pub async fn give_back_leases(&self) {
        let members = self.members();
        self.inner.tasks.lock().values().for_each(|(_, tasks)| tasks_abort(tasks));
        members.values().for_each(|member| member.lane.clear());
        // what was written until now counts
        let began = tokio::time::Instant::now();
        let all = members.values().map(|member| tenant::give_back(member, &self.inner.identity, began.elapsed()));
        futures::future::join_all(all).await;
    }

    /// Follows the copies of a target in every member, those that join later included.
    pub fn watch(&self, target: &Arc<Target>, on_copy: OnMemberCopy) -> Watch {
        // members that join while this runs must get the watch exactly once: the list of watches is the gate
        let mut watches = self.inner.watches.lock();
        watches.retain(|(known, _)| known.owner_kind != target.owner_kind);
        watches.push((target.clone(), on_copy.clone()));
        for member in self.members().values() {
            watch_in(member, target, &on_copy);
        }
        Watch { fleet: self.clone(), target: target.clone() }
    }

    /// Follows a resource that decisions look at in every member, those that join later included: one watch each.
    pub fn follow(&self, interest: &Interest, on_fact: OnMemberFact) {
        let mut interests = self.inner.interests.lock();
        for member in self.members().values() {
            look_in(member, interest, &on_fact);
        }
        interests.push((interest.clone(), on_fact));
    }
}

fn look_in(member: &Arc<Member>, interest: &Interest, on_fact: &OnMemberFact) {
    let (on_fact, name) = (on_fact.clone(), member.name.clone());
    member.look_at(interest, Arc::new(move |event: &CacheEvent| on_fact(&name, event)));
}

fn watch_in(member: &Arc<Member>, target: &Arc<Target>, on_copy: &OnMemberCopy) {
    let (on_copy, name) = (on_copy.clone(), member.name.clone());
    member.watch(target, Arc::new(move |namespace: &str, copy: &str| on_copy(&name, namespace, copy)));
}

/// The two tasks of a member: its keeper and its tenant.
type Tasks = [tokio::task::AbortHandle; 2];

fn tasks_abort(tasks: &Tasks) {
    tasks.iter().for_each(tokio::task::AbortHandle::abort);
}

/// A member that opens or closes is looked at anew.
fn on_standing(inner: &Arc<Inner>, name: &str) -> Arc<dyn Fn(&Standing) + Send + Sync> {
    let (weak, name) = (Arc::downgrade(inner), name.to_owned());
    Arc::new(move |standing| {
        let Some(inner) = weak.upgrade() else { return };
        let member = inner.members.read().get(&name).cloned();
        match standing {
            Standing::Closed(closed) => {
                tracing::warn!(cluster = name, reason = closed.code(), "{closed}");
                let (kind, reason, message) = (HUB_BEHIND.to_owned(), closed.code().to_owned(), closed.to_string());
                if let Some(member) = member {
                    member.flag(FlaggedCondition { kind, status: true, reason, message });
                }
            }
            Standing::Open => member.into_iter().for_each(|m| m.unflag(HUB_BEHIND)),
            Standing::Checking => {}
        }
        (inner.options.on_event)(&FleetEvent::Changed(name.clone()));
    })
}

/// Only what a connection needs of a Secret stays in memory.
fn only_token(secret: &mut Value) {
    let token = object::str_at(secret, &["data", "token"]).to_owned();
    *secret = comity_core::json!({
        "metadata": {"name": object::name(secret), "namespace": object::namespace(secret),
                     "uid": object::uid(secret), "resourceVersion": object::resource_version(secret)},
        "data": {"token": token},
    });
}

struct Sources {
    clusters: Cache,
    secrets: Cache,
    configs: Cache,
}

/// What has changed on the hub since the last look.
#[derive(Default)]
struct News {
    /// Whoever is concerned: a first list, or the configuration.
    all: bool,
    clusters: BTreeSet<String>,
    secrets: BTreeSet<String>,
}

impl News {
    fn note(&mut self, event: &CacheEvent, names: impl FnOnce(&mut Self) -> Option<&mut BTreeSet<String>>) {
        let changed = match event {
            CacheEvent::Applied { new, .. } => new,
            CacheEvent::Deleted(last) => last,
            CacheEvent::Synced => return self.all = true,
        };
        match names(self) {
            Some(names) => drop(names.insert(object::name(changed).to_owned())),
            None => self.all = true,
        }
    }
}

async fn follow(inner: Arc<Inner>) {
    let changed = Arc::new(Notify::new());
    let news: Arc<Mutex<News>> = Arc::default();
    let start = |resource: GroupVersionResource, project: Option<fn(&mut Value)>, names: fn(&mut News) -> Option<&mut BTreeSet<String>>| {
        let (changed, news) = (changed.clone(), news.clone());
        let interest = Interest { namespace: Some(inner.options.namespace.clone()), project, ..Interest::all(resource) };
        let on_event = move |event: &CacheEvent| {
            news.lock().note(event, names);
            changed.notify_one();
        };
        Cache::start(inner.options.hub.clone(), interest, Arc::new(on_event))
    };
    let core = |plural| GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, plural);
    let plain = Some(comity_lane::cache::without_managed_fields as fn(&mut Value));
    let sources = Sources {
        clusters: start(core("kubefedclusters"), plain, |news| Some(&mut news.clusters)),
        secrets: start(GroupVersionResource::new("", "v1", "secrets"), Some(only_token), |news| Some(&mut news.secrets)),
        configs: start(core("kubefedconfigs"), plain, |_| None),
    };
    loop {
        changed.notified().await;
        // an empty list and a list that was not read are not the same: nothing leaves before everything was read
        if sources.clusters.is_synced() && sources.secrets.is_synced() && sources.configs.is_synced() {
            let news = std::mem::take(&mut *news.lock());
            update(&inner, &sources, news);
            inner.loaded.send_replace(true);
        }
    }
}

fn update(inner: &Arc<Inner>, sources: &Sources, news: News) {
    let namespace = &inner.options.namespace;
    if news.all {
        let config = sources.configs.get(namespace, keys::CONFIG_NAME);
        let config = Arc::new(config.map(|c| KubeFedConfig::read(&c)).unwrap_or_default());
        inner.settings.send_if_modified(|known| {
            let changed = **known != *config;
            if changed {
                *known = config;
            }
            changed
        });
        let clusters = sources.clusters.list();
        leave(inner, &clusters);
        return clusters.into_iter().for_each(|cluster| look(inner, sources, cluster));
    }
    let secret_of = |cluster: &Value| object::str_at(cluster, &["spec", "secretRef", "name"]).to_owned();
    let mut concerned = news.clusters;
    if !news.secrets.is_empty() {
        let clusters = sources.clusters.list();
        concerned.extend(clusters.iter().filter(|c| news.secrets.contains(&secret_of(c))).map(|c| object::name(c).to_owned()));
    }
    for name in concerned {
        let cluster = sources.clusters.get(namespace, &name);
        leave_one(inner, &name, cluster.as_deref());
        if let Some(cluster) = cluster {
            look(inner, sources, cluster);
        }
    }
}

/// Joins a cluster, or tells its member what it says now.
fn look(inner: &Arc<Inner>, sources: &Sources, object: Arc<Value>) {
    let secret_name = object::str_at(&object, &["spec", "secretRef", "name"]);
    let secret = sources.secrets.get(&inner.options.namespace, secret_name);
    let thresholds = (&**inner.settings.borrow()).into();
    let input = Input { object: object.clone(), secret, thresholds };
    let name = object::name(&object);
    let labels = cluster::labels(&object);
    let known = inner.members.read().get(name).cloned();
    match known {
        Some(member) => {
            if let Some((sender, _)) = inner.tasks.lock().get(name) {
                send_if_new(sender, input);
            }
            let allowed = member.set_allowance(allowance(&object));
            if member.set_labels(labels) || allowed {
                (inner.options.on_event)(&FleetEvent::Changed(name.to_owned()));
            }
        }
        None => join(inner, name, input, labels),
    }
}

fn allowance(cluster: &Value) -> &str {
    object::annotation(cluster, keys::ALLOW_DELETIONS).unwrap_or_default()
}

/// A change of the status alone, which the member's own task makes, must not wake it.
fn send_if_new(sender: &watch::Sender<Input>, input: Input) {
    sender.send_if_modified(|known| {
        let essence = |i: &Input| (i.object.get("spec").cloned(), i.secret.clone(), i.thresholds);
        let wake = essence(known) != essence(&input);
        *known = input;
        wake
    });
}

fn leave(inner: &Arc<Inner>, clusters: &[Arc<Value>]) {
    let joined: BTreeMap<&str, &Value> = clusters.iter().map(|c| (object::name(c), &**c)).collect();
    let members = inner.members.read().clone();
    members.keys().for_each(|name| leave_one(inner, name, joined.get(name.as_str()).copied()));
}

/// Takes a member out whose cluster is gone, or is another one: joined again under the same name is another member.
fn leave_one(inner: &Arc<Inner>, name: &str, cluster: Option<&Value>) {
    let Some(member) = inner.members.read().get(name).cloned() else { return };
    if cluster.is_some_and(|cluster| object::uid(cluster) == member.uid) {
        return;
    }
    if let Some((_, task)) = inner.tasks.lock().remove(name) {
        tasks_abort(&task);
    }
    Arc::make_mut(&mut *inner.members.write()).remove(name);
    share(inner);
    member.stop();
    (inner.options.on_event)(&FleetEvent::Left(name.to_owned()));
}

/// About so many writes at a time are enough to keep a hub busy, however many members there are.
const AT_A_TIME: usize = 2048;
/// So many each member may have in any case.
const LEAST: usize = 4;

/// Shares what is done at a time among the members.
fn share(inner: &Inner) {
    let members = inner.members.read().len().max(1);
    let most = inner.options.concurrency;
    inner.concurrency.set((AT_A_TIME / members).max(LEAST).min(most));
}

fn join(inner: &Arc<Inner>, name: &str, input: Input, labels: BTreeMap<String, String>) {
    let silence = Arc::new(Notify::new());
    let on_silence = silence.clone();
    let lane = Lane::new(LaneOptions {
        cluster: name.into(),
        epoch: inner.options.epoch,
        concurrency: inner.concurrency.clone(),
        backlog: inner.backlog.clone(),
        on_report: inner.options.on_report.clone(),
        on_silence: Arc::new(move || on_silence.notify_one()),
        on_standing: on_standing(inner, name),
    });
    let member = Arc::new(Member::new(name, &input.object, lane, inner.options.hub_id.clone(), silence));
    member.set_labels(labels);
    member.set_allowance(allowance(&input.object));
    {
        let watches = inner.watches.lock();
        for (target, on_copy) in watches.iter() {
            watch_in(&member, target, on_copy);
        }
        let interests = inner.interests.lock();
        for (interest, on_fact) in interests.iter() {
            look_in(&member, interest, on_fact);
        }
        Arc::make_mut(&mut *inner.members.write()).insert(name.to_owned(), member.clone());
        share(inner);
    }
    let (sender, receiver) = watch::channel(input);
    let weak = Arc::downgrade(inner);
    let keeper = Keeper {
        member,
        hub: inner.options.hub.clone(),
        input: receiver,
        connect: inner.options.connect.clone(),
        entrance: inner.entrances.of_member(),
        on_change: Arc::new(move |name: &str| {
            if let Some(inner) = weak.upgrade() {
                (inner.options.on_event)(&FleetEvent::Changed(name.to_owned()));
            }
        }),
    };
    let weak = Arc::downgrade(inner);
    let tenant = Tenant {
        answers: keeper.member.answers(),
        member: keeper.member.clone(),
        identity: inner.identity.clone(),
        members: Arc::new(move || weak.upgrade().map_or(0, |inner| inner.members.read().len())),
        memory: Memory::default(),
    };
    let tasks = [tokio::spawn(keeper.run()).abort_handle(), tokio::spawn(tenant.run()).abort_handle()];
    inner.tasks.lock().insert(name.to_owned(), (sender, tasks));
    (inner.options.on_event)(&FleetEvent::Joined(name.to_owned()));
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.lock().values().for_each(|(_, tasks)| tasks_abort(tasks));
        self.members.read().values().for_each(|member| member.stop());
    }
}
