//! ReplicaSets: as many active pods as wanted.

mod gather;
mod plan;
mod status;

use std::sync::Arc;

use async_trait::async_trait;
use comity_core::{Value, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority, Queue,
    lane::{Cache, CacheEvent, ClientError, DeleteOptions},
};

use crate::{
    kit::{
        claim,
        hands::{Hands, Told},
        index::Index,
        informers::Informers,
        resources::{PODS, REPLICA_SETS},
        settle::Settle,
        slow_start::slow_start,
        template,
    },
    wiring::Wiring,
};
use plan::Scale;

/// The controller's name, which its user and its events carry.
pub(crate) const NAME: &str = "replicaset-controller";

struct ReplicaSets {
    hands: Hands,
    sets: Cache,
    pods: Cache,
    pods_by_owner: Arc<Index>,
    sets_by_owner: Arc<Index>,
    settle: Settle,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring) {
    let controller = ReplicaSets {
        hands: wiring.controller(NAME),
        sets: wiring.informers.cache(&REPLICA_SETS),
        pods: wiring.informers.cache(&PODS),
        pods_by_owner: wiring.pods_by_owner(),
        sets_by_owner: wiring.replica_sets_by_owner(),
        settle: Settle::default(),
    };
    let queue = wiring.run(Arc::new(controller), 2);
    listen(&wiring.informers, &queue);
}

fn listen(informers: &Informers, queue: &Queue) {
    informers.wake_for(&REPLICA_SETS, queue);
    let (sets, queue) = (informers.cache(&REPLICA_SETS), queue.clone());
    informers.on(&PODS, move |event| {
        let pods = match event {
            CacheEvent::Applied { old, new } => [old.as_ref(), Some(new)],
            CacheEvent::Deleted(last) => [Some(last), None],
            CacheEvent::Synced => [None, None],
        };
        for pod in pods.into_iter().flatten() {
            for key in owners_of(pod, &sets) {
                queue.add(key, Priority::Drift);
            }
        }
    });
}

/// The set that controls a pod, or those that may adopt it.
fn owners_of(pod: &Value, sets: &Cache) -> Vec<Key> {
    let namespace = object::namespace(pod);
    if let Some(owner) = object::controller_ref(pod) {
        return (owner["kind"] == "ReplicaSet").then(|| Key::new(namespace, object::str_at(owner, &["name"]))).into_iter().collect();
    }
    let sets = sets.list_namespace(namespace);
    let may = sets.iter().filter(|set| claim::selector(set).is_some_and(|selector| selector.matches(object::labels(pod))));
    may.map(|set| Key::of(set)).collect()
}

#[async_trait]
impl Controller for ReplicaSets {
    fn name(&self) -> &str {
        NAME
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        match self.round(key).await {
            Ok(outcome) => outcome,
            Err(why) => Outcome::Retry(why),
        }
    }
}

impl ReplicaSets {
    async fn round(&self, key: &Key) -> Result<Outcome, String> {
        self.settle.settled(key).await?;
        let Some(observed) = gather::gather(self, key) else { return Ok(Outcome::Done) };
        let plan = plan::plan(&observed);
        let set = &observed.set;
        self.change_owners(key, set, &plan).await?;
        let failure = self.scale(key, set, &plan.scale).await;
        let wanted = status::wanted(set, &plan.pods, failure.as_ref(), observed.now);
        if set["status"] != wanted.status {
            let answer = self.hands.write_status(&REPLICA_SETS, set, wanted.status).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.sets, &answer);
        }
        match (failure, wanted.again) {
            (Some(failure), _) => Err(failure.message),
            (None, Some(delay)) => Ok(Outcome::Again(delay)),
            (None, None) => Ok(Outcome::Done),
        }
    }

    async fn change_owners(&self, key: &Key, set: &Value, plan: &plan::Plan) -> Result<(), String> {
        if !plan.adopt.is_empty() {
            // the cache may be behind: a set that is going away must not take anything
            let live = self.hands.client.get(&REPLICA_SETS, object::namespace(set), object::name(set)).await.map_err(|e| e.to_string())?;
            if live.is_none_or(|live| object::uid(&live) != object::uid(set) || object::is_deleting(&live)) {
                return Err("the set has been deleted meanwhile".to_owned());
            }
        }
        for pod in &plan.adopt {
            let answer = self.hands.adopt(&PODS, pod, set).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.pods, &answer);
        }
        for pod in &plan.release {
            match self.hands.release(&PODS, pod, set).await {
                Ok(answer) => self.settle.wrote(key, &self.pods, &answer),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    async fn scale(&self, key: &Key, set: &Value, scale: &Scale) -> Option<status::Failure> {
        match scale {
            Scale::Keep => None,
            Scale::Create(count) => {
                let pod = template::new_pod(set, &set["spec"]["template"]);
                let (made, failure) = slow_start(*count, |_| self.hands.create(&PODS, &pod)).await;
                for answer in &made {
                    self.settle.wrote(key, &self.pods, answer);
                    self.hands.tell(set, &Told::normal("SuccessfulCreate", format!("Created pod: {}", object::name(answer))));
                }
                self.failed(set, "FailedCreate", "creating", failure.filter(|error| !error.is_namespace_terminating()))
            }
            Scale::Delete(pods) => {
                let deletions = pods.iter().map(|pod| async move { (pod, self.hands.delete(&PODS, pod, DeleteOptions::default()).await) });
                let mut failure = None;
                for (pod, result) in futures::future::join_all(deletions).await {
                    match result {
                        Ok(answer) => {
                            self.settle.deleted(key, &self.pods, pod, answer.as_ref());
                            self.hands.tell(set, &Told::normal("SuccessfulDelete", format!("Deleted pod: {}", object::name(pod))));
                        }
                        Err(error) => failure = Some(error),
                    }
                }
                self.failed(set, "FailedDelete", "deleting", failure)
            }
        }
    }

    fn failed(&self, set: &Value, reason: &'static str, doing: &str, failure: Option<ClientError>) -> Option<status::Failure> {
        let message = failure?.to_string();
        self.hands.tell(set, &Told::warning(reason, format!("Error {doing}: {message}")));
        Some(status::Failure { reason, message })
    }
}
