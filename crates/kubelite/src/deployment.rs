//! Deployments: rollouts by way of ReplicaSets.

mod conditions;
mod gather;
mod history;
mod model;
mod plan;
mod proportion;
mod revision;
mod rolling;
mod status;

use std::sync::Arc;

use async_trait::async_trait;
use comity_core::{Value, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority, Queue,
    lane::{Cache, CacheEvent, DeleteOptions},
};

use crate::{
    kit::{
        claim,
        hands::Hands,
        index::Index,
        informers::Informers,
        resources::{DEPLOYMENTS, REPLICA_SETS},
        settle::Settle,
        template,
    },
    wiring::Wiring,
};
use plan::{Plan, plan};

/// The controller's name, which its user and its events carry.
pub(crate) const NAME: &str = "deployment-controller";

struct Deployments {
    hands: Hands,
    deployments: Cache,
    sets: Cache,
    sets_by_owner: Arc<Index>,
    pods_by_owner: Arc<Index>,
    settle: Settle,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring) {
    let controller = Deployments {
        hands: wiring.controller(NAME),
        deployments: wiring.informers.cache(&DEPLOYMENTS),
        sets: wiring.informers.cache(&REPLICA_SETS),
        sets_by_owner: wiring.replica_sets_by_owner(),
        pods_by_owner: wiring.pods_by_owner(),
        settle: Settle::default(),
    };
    let queue = wiring.run(Arc::new(controller), 2);
    listen(&wiring.informers, &queue);
}

fn listen(informers: &Informers, queue: &Queue) {
    informers.wake_for(&DEPLOYMENTS, queue);
    let (deployments, sets_changed) = (informers.cache(&DEPLOYMENTS), queue.clone());
    informers.on(&REPLICA_SETS, move |event| {
        let sets = match event {
            CacheEvent::Applied { old, new } => [old.as_ref(), Some(new)],
            CacheEvent::Deleted(last) => [Some(last), None],
            CacheEvent::Synced => [None, None],
        };
        for set in sets.into_iter().flatten() {
            for key in owners_of(set, &deployments) {
                sets_changed.add(key, Priority::Drift);
            }
        }
    });
    // Recreate waits for the last old pod to be gone
    let (deployments, sets, pod_gone) = (informers.cache(&DEPLOYMENTS), informers.cache(&REPLICA_SETS), queue.clone());
    informers.on(&crate::kit::resources::PODS, move |event| {
        let CacheEvent::Deleted(pod) = event else { return };
        let namespace = object::namespace(pod);
        let set = object::controller_ref(pod).and_then(|owner| sets.get(namespace, object::str_at(owner, &["name"])));
        for key in set.iter().flat_map(|set| owners_of(set, &deployments)) {
            let deployment = deployments.get(&key.namespace, &key.name);
            if deployment.is_some_and(|d| object::str_at(&d, &["spec", "strategy", "type"]) == "Recreate") {
                pod_gone.add(key, Priority::Drift);
            }
        }
    });
}

/// The Deployment that controls a set, or those that may adopt it.
fn owners_of(set: &Value, deployments: &Cache) -> Vec<Key> {
    let namespace = object::namespace(set);
    if let Some(owner) = object::controller_ref(set) {
        return (owner["kind"] == "Deployment").then(|| Key::new(namespace, object::str_at(owner, &["name"]))).into_iter().collect();
    }
    let all = deployments.list_namespace(namespace);
    let may = all.iter().filter(|d| claim::selector(d).is_some_and(|selector| selector.matches(object::labels(set))));
    may.map(|deployment| Key::of(deployment)).collect()
}

#[async_trait]
impl Controller for Deployments {
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

impl Deployments {
    async fn round(&self, key: &Key) -> Result<Outcome, String> {
        self.settle.settled(key).await?;
        let Some((mut observed, claim)) = gather::gather(self, key) else { return Ok(Outcome::Done) };
        self.change_owners(key, &observed.deployment, &claim).await?;
        let mut planned = plan(&observed);
        if let Some(wanted) = planned.create.take() {
            match self.create(key, &observed.deployment, &wanted).await {
                Ok(set) => {
                    observed.created = Some(object::name(&set).to_owned());
                    observed.sets.push(Arc::new(set));
                    planned = plan(&observed);
                }
                Err(Refused::Taken) => planned = plan::after_collision(&observed),
                Err(Refused::Silent(why)) => return Err(why),
                Err(Refused::Failed(why)) => {
                    let failed = plan::after_failed_create(&observed, object::name(&wanted), &why);
                    self.carry_out(key, &observed.deployment, &failed).await?;
                    return Err(why);
                }
            }
        }
        self.carry_out(key, &observed.deployment, &planned).await?;
        Ok(planned.again.map_or(Outcome::Done, Outcome::Again))
    }

    async fn carry_out(&self, key: &Key, deployment: &Value, planned: &Plan) -> Result<(), String> {
        for change in &planned.changes {
            let answer = self.hands.merge(&REPLICA_SETS, &change.set, None, change.patch.clone()).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.sets, &answer);
            if let Some(told) = &change.told {
                self.hands.tell(deployment, told);
            }
        }
        for set in &planned.delete {
            let answer = self.hands.delete(&REPLICA_SETS, set, DeleteOptions::default()).await.map_err(|e| e.to_string())?;
            self.settle.deleted(key, &self.sets, set, answer.as_ref());
        }
        for told in &planned.told {
            self.hands.tell(deployment, told);
        }
        if planned.revision.is_some() || deployment["status"] != planned.status {
            let mut updated = deployment.clone();
            if let Some(revision) = &planned.revision {
                object::set(&mut updated, &["metadata", "annotations", revision::REVISION], revision.as_str().into());
            }
            let answer = self.hands.write_status(&DEPLOYMENTS, &updated, planned.status.clone()).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.deployments, &answer);
        }
        Ok(())
    }

    async fn create(&self, key: &Key, deployment: &Value, wanted: &Value) -> Result<Value, Refused> {
        let set = match self.hands.create(&REPLICA_SETS, wanted).await {
            Ok(set) => set,
            Err(error) if error.is_already_exists() => {
                let there = self.hands.client.get(&REPLICA_SETS, object::namespace(wanted), object::name(wanted)).await;
                let ours = |set: &Value| {
                    object::controller_ref(set).is_some_and(|owner| object::str_at(owner, &["uid"]) == object::uid(deployment))
                        && template::equal(&set["spec"]["template"], &deployment["spec"]["template"])
                };
                match there {
                    Ok(Some(set)) if ours(&set) => set,
                    Ok(Some(_)) => return Err(Refused::Taken),
                    Ok(None) => return Err(Refused::Silent("the name of the new replica set was taken for a moment".to_owned())),
                    Err(error) => return Err(Refused::Silent(error.to_string())),
                }
            }
            Err(error) if error.is_namespace_terminating() => return Err(Refused::Silent(error.to_string())),
            Err(error) => return Err(Refused::Failed(error.to_string())),
        };
        self.settle.wrote(key, &self.sets, &set);
        Ok(set)
    }

    async fn change_owners(&self, key: &Key, deployment: &Value, claim: &claim::Claim) -> Result<(), String> {
        if !claim.adopt.is_empty() {
            let live = self.hands.client.get(&DEPLOYMENTS, object::namespace(deployment), object::name(deployment)).await;
            let live = live.map_err(|e| e.to_string())?;
            if live.is_none_or(|live| object::uid(&live) != object::uid(deployment) || object::is_deleting(&live)) {
                return Err("the deployment has been deleted meanwhile".to_owned());
            }
        }
        for set in &claim.adopt {
            let answer = self.hands.adopt(&REPLICA_SETS, set, deployment).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.sets, &answer);
        }
        for set in &claim.release {
            let answer = self.hands.release(&REPLICA_SETS, set, deployment).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.sets, &answer);
        }
        Ok(())
    }
}

/// Why there is no new replica set.
enum Refused {
    /// Another set has its name.
    Taken,
    /// Not worth telling: it is tried again.
    Silent(String),
    /// The server does not want it.
    Failed(String),
}
