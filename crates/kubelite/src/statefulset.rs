//! StatefulSets: pods with names of their own, one after the other.

mod plan;
mod pods;
mod status;

use std::sync::Arc;

use async_trait::async_trait;
use comity_core::{Value, json, object};
use comity_runtime::{
    Controller, Key, Outcome,
    lane::{Cache, DeleteOptions},
};
use jiff::Timestamp;

use crate::{
    kit::{
        claim,
        hands::{Hands, Told},
        index::{self, Index},
        resources::{CLAIMS, CONTROLLER_REVISIONS, PODS, STATEFUL_SETS},
        settle::Settle,
    },
    wiring::Wiring,
};
use plan::{Observed, plan};

const NAME: &str = "statefulset-controller";

struct StatefulSets {
    hands: Hands,
    sets: Cache,
    pods: Cache,
    claims: Cache,
    revisions: Cache,
    pods_by_owner: Arc<Index>,
    revisions_by_owner: Arc<Index>,
    settle: Settle,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring) {
    let controller = StatefulSets {
        hands: wiring.controller(NAME),
        sets: wiring.informers.cache(&STATEFUL_SETS),
        pods: wiring.informers.cache(&PODS),
        claims: wiring.informers.cache(&CLAIMS),
        revisions: wiring.informers.cache(&CONTROLLER_REVISIONS),
        pods_by_owner: wiring.pods_by_owner(),
        revisions_by_owner: Index::follow(&wiring.informers, &CONTROLLER_REVISIONS, index::by_controller),
        settle: Settle::default(),
    };
    let queue = wiring.run(Arc::new(controller), 2);
    wiring.informers.wake_for(&STATEFUL_SETS, &queue);
    wiring.informers.wake_for_pods_of("StatefulSet", &queue);
}

#[async_trait]
impl Controller for StatefulSets {
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

impl StatefulSets {
    async fn round(&self, key: &Key) -> Result<Outcome, String> {
        self.settle.settled(key).await?;
        let Some(set) = self.sets.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        if claim::selector(&set).is_none() {
            return Ok(Outcome::Done);
        }
        let observed = Observed {
            pods: self.pods_by_owner.get(object::uid(&set)),
            revisions: self.revisions_by_owner.get(object::uid(&set)),
            set: set.clone(),
            now: Timestamp::now(),
        };
        let planned = plan(&observed);
        if let Some(revision) = &planned.revision.create {
            let answer = self.hands.create(&CONTROLLER_REVISIONS, revision).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.revisions, &answer);
        }
        if let Some((revision, number)) = &planned.revision.renumber {
            let answer = self.hands.merge(&CONTROLLER_REVISIONS, revision, None, json!({"revision": number})).await;
            self.settle.wrote(key, &self.revisions, &answer.map_err(|e| e.to_string())?);
        }
        let acted = self.act(key, &set, &planned).await;
        if set["status"] != planned.status {
            let answer = self.hands.write_status(&STATEFUL_SETS, &set, planned.status.clone()).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.sets, &answer);
        }
        for revision in &planned.old_revisions {
            let answer = self.hands.delete(&CONTROLLER_REVISIONS, revision, DeleteOptions::default()).await.map_err(|e| e.to_string())?;
            self.settle.deleted(key, &self.revisions, revision, answer.as_ref());
        }
        acted?;
        Ok(planned.again.map_or(Outcome::Done, Outcome::Again))
    }

    async fn act(&self, key: &Key, set: &Value, planned: &plan::Plan) -> Result<(), String> {
        let name = object::name(set);
        for pod in &planned.create {
            for wanted in pods::claims(set, pod) {
                self.claim(set, pod, &wanted).await?;
            }
            let pod_name = object::name(pod);
            match self.hands.create(&PODS, pod).await {
                Ok(answer) => {
                    self.settle.wrote(key, &self.pods, &answer);
                    let message = format!("create Pod {pod_name} in StatefulSet {name} successful");
                    self.hands.tell(set, &Told::normal("SuccessfulCreate", message));
                }
                Err(error) if error.is_namespace_terminating() => return Ok(()),
                Err(error) => {
                    let message = format!("create Pod {pod_name} in StatefulSet {name} failed error: {error}");
                    self.hands.tell(set, &Told::warning("FailedCreate", message));
                    return Err(error.to_string());
                }
            }
        }
        for pod in &planned.delete {
            let answer = self.hands.delete(&PODS, pod, DeleteOptions::default()).await.map_err(|e| e.to_string())?;
            self.settle.deleted(key, &self.pods, pod, answer.as_ref());
            let message = format!("delete Pod {} in StatefulSet {name} successful", object::name(pod));
            self.hands.tell(set, &Told::normal("SuccessfulDelete", message));
        }
        Ok(())
    }

    async fn claim(&self, set: &Value, pod: &Value, wanted: &Value) -> Result<(), String> {
        if self.claims.get(object::namespace(wanted), object::name(wanted)).is_some() {
            return Ok(());
        }
        match self.hands.create(&CLAIMS, wanted).await {
            Ok(_) => {
                let (claim, pod, set_name) = (object::name(wanted), object::name(pod), object::name(set));
                let message = format!("create Claim {claim} Pod {pod} in StatefulSet {set_name} success");
                self.hands.tell(set, &Told::normal("SuccessfulCreate", message));
                Ok(())
            }
            Err(error) if error.is_already_exists() => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
