//! The task that holds one member's Lease and tells the lane what that allows.

use std::{sync::Arc, time::Duration};

use comity_core::{GroupVersionResource, Status, json};
use comity_lane::{ClientError, ClusterClient, ListOptions, Standing, Tenure};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use crate::{
    lease::{self, Decision, LeaseSeen, LeaseTimes, Me, Memory, Record},
    member::Member,
};

/// Longest wait for an answer about a Lease.
const ANSWER: Duration = Duration::from_secs(5);
/// Copies that cannot be listed hold the first write up for so long.
const COMPARE: Duration = Duration::from_secs(3);
/// After a look that told nothing.
const SOON: Duration = Duration::from_secs(1);
/// How often a look begins anew because somebody wrote in between.
const ROUNDS: usize = 3;

/// Who this process is, and how old its hub is.
pub(crate) struct Identity {
    pub hub: ClusterClient,
    pub hub_id: Arc<str>,
    pub namespace: String,
    pub epoch: u64,
    pub instance: String,
    pub process: String,
    pub times: LeaseTimes,
    revision: Mutex<Option<(Instant, u64)>>,
}

impl Identity {
    pub fn new(hub: ClusterClient, hub_id: Arc<str>, namespace: String, epoch: u64, instance: String, times: LeaseTimes) -> Self {
        let process = uuid::Uuid::new_v4().to_string();
        Self { hub, hub_id, namespace, epoch, instance, process, times, revision: Mutex::default() }
    }

    /// The hub's revision, at most so old; all members share the question.
    async fn revision(&self, age: Duration) -> Result<u64, ClientError> {
        let asked = Instant::now();
        let mut known = self.revision.lock().await;
        if let Some((at, revision)) = *known
            && asked.saturating_duration_since(at) <= age
        {
            return Ok(revision);
        }
        let namespaces = GroupVersionResource::new("", "v1", "namespaces");
        let one = ListOptions { limit: 1, ..ListOptions::default() };
        let list = self.hub.with_timeout(ANSWER).list(&namespaces, None, &one).await?;
        let revision = list.resource_version.parse().unwrap_or(0);
        *known = Some((asked, revision));
        Ok(revision)
    }

    fn me(&self, revision: u64) -> Me<'_> {
        Me { hub: &self.hub_id, instance: &self.instance, process: &self.process, epoch: self.epoch, revision }
    }
}

/// The task of one member.
pub(crate) struct Tenant {
    pub member: Arc<Member>,
    pub identity: Arc<Identity>,
    /// Whether the member answers.
    pub answers: watch::Receiver<bool>,
    /// How many members there are.
    pub members: Arc<dyn Fn() -> usize + Send + Sync>,
    pub memory: Memory,
}

impl Tenant {
    pub async fn run(mut self) {
        loop {
            if self.answers.wait_for(|answers| *answers).await.is_err() {
                return;
            }
            let times = self.identity.times.for_members((self.members)());
            let next = Instant::now();
            let pause = match self.look(times).await {
                Ok(tenure) => {
                    self.member.lane.lease(tenure);
                    if self.member.lane.standing() == Standing::Checking {
                        tokio::time::sleep(COMPARE.min(times.period)).await;
                        self.member.lane.open();
                    }
                    times.period
                }
                Err(why) => {
                    // what was known stays known until it expires
                    tracing::debug!(cluster = &*self.member.name, %why, "the Lease could not be looked at");
                    SOON
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(next + pause) => {}
                changed = self.answers.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn look(&mut self, times: LeaseTimes) -> Result<Tenure, ClientError> {
        let Some(client) = self.member.lane.client().map(|c| c.with_timeout(ANSWER)) else { return Err(ClientError::Timeout) };
        let (gvr, name, namespace) = (lease::gvr(), lease::name(&self.identity.hub_id), self.identity.namespace.clone());
        let me = self.identity.me(self.identity.revision(times.period / 2).await?);
        let mut last = ClientError::Timeout;
        for _ in 0..ROUNDS {
            let looked = Instant::now();
            let found = match client.get(&gvr, &namespace, &name).await {
                Err(error) if is_forbidden(&error) => return Ok(self.unguarded(&error)),
                other => other?.map(|lease| Record::read(&lease)),
            };
            match self.memory.decide(found.as_ref(), &me, looked) {
                Decision::Take => {}
                Decision::Wait(holder) => return Ok(Tenure::Other(holder.into())),
                Decision::Behind(why) => {
                    self.member.lane.behind(&why);
                    return Ok(Tenure::Other(String::new().into()));
                }
            }
            let lease = lease::render(found.as_ref(), &me, &namespace, times.lasts, &now());
            let written = match &found {
                Some(_) => client.replace(&gvr, &namespace, &name, None, &lease, crate::MANAGER).await,
                None => client.create(&gvr, &namespace, &lease, crate::MANAGER).await,
            };
            match written {
                Ok(_) => {
                    self.memory.took();
                    return Ok(Tenure::Until(looked + times.lasts));
                }
                Err(error) if is_forbidden(&error) => return Ok(self.unguarded(&error)),
                Err(error) if error.status().is_some_and(names_namespace) => {
                    let namespaces = GroupVersionResource::new("", "v1", "namespaces");
                    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
                    match client.create(&namespaces, "", &object, crate::MANAGER).await {
                        Err(error) if !error.is_already_exists() => return Ok(self.unguarded(&error)),
                        _ => last = error,
                    }
                }
                Err(error) if found.is_none() && error.is_not_found() => return Ok(self.unguarded(&error)),
                // somebody wrote in between: look again
                Err(error) if error.is_conflict() || error.is_already_exists() || error.is_not_found() => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn unguarded(&self, why: &ClientError) -> Tenure {
        tracing::warn!(
            cluster = &*self.member.name, namespace = self.identity.namespace, %why,
            "this cluster keeps no Lease for the hub, so a second instance of the hub would not be noticed; allow get, create and update of leases there"
        );
        Tenure::Unguarded
    }
}

/// The Lease that a hub has in a member.
///
/// # Errors
/// The member refused, or did not answer.
pub async fn look_at_lease(member: &ClusterClient, namespace: &str, hub_id: &str) -> Result<Option<LeaseSeen>, ClientError> {
    let found = member.with_timeout(ANSWER).get(&lease::gvr(), namespace, &lease::name(hub_id)).await?;
    Ok(found.map(|found| LeaseSeen::read(&found)))
}

/// Gives the Lease back, so that another instance can go on without waiting. Errors leave it to expire.
pub(crate) async fn give_back(member: &Member, identity: &Identity, age: Duration) {
    if !matches!(member.lane.standing(), Standing::Open) {
        return;
    }
    let Some(client) = member.lane.client().map(|c| c.with_timeout(SOON)) else { return };
    let work = async {
        let me = identity.me(identity.revision(age).await?);
        let (gvr, name, namespace) = (lease::gvr(), lease::name(&identity.hub_id), identity.namespace.as_str());
        if let Some(found) = client.get(&gvr, namespace, &name).await?.map(|lease| Record::read(&lease)).filter(|r| r.is_of(&me)) {
            let lease = lease::given_back(&found, &me, namespace, &now());
            client.replace(&gvr, namespace, &name, None, &lease, crate::MANAGER).await?;
        }
        Ok::<(), ClientError>(())
    };
    if let Err(error) = work.await {
        tracing::debug!(cluster = &*member.name, %error, "the Lease was not given back; it expires");
    }
}

fn is_forbidden(error: &ClientError) -> bool {
    error.status().is_some_and(|s| s.reason == comity_core::Reason::Forbidden)
}

fn names_namespace(status: &Status) -> bool {
    status.reason == comity_core::Reason::NotFound && status.details.get("kind").is_some_and(|kind| kind == "namespaces")
}

/// A time with microseconds, as Leases carry it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
