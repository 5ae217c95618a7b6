//! DaemonSets: one pod per fitting node.

mod plan;
mod status;

use std::sync::Arc;

use async_trait::async_trait;
use comity_core::{Value, json, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority,
    lane::{Cache, CacheEvent, DeleteOptions},
};
use jiff::Timestamp;

use crate::{
    kit::{
        claim,
        hands::{Hands, Told},
        index::{self, Index},
        resources::{CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS},
        settle::Settle,
        slow_start::slow_start,
    },
    wiring::Wiring,
};
use plan::{Observed, plan};

const NAME: &str = "daemon-set-controller";

struct DaemonSets {
    hands: Hands,
    sets: Cache,
    pods: Cache,
    nodes: Cache,
    revisions: Cache,
    pods_by_owner: Arc<Index>,
    revisions_by_owner: Arc<Index>,
    settle: Settle,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring) {
    let controller = DaemonSets {
        hands: wiring.controller(NAME),
        sets: wiring.informers.cache(&DAEMON_SETS),
        pods: wiring.informers.cache(&PODS),
        nodes: wiring.informers.cache(&NODES),
        revisions: wiring.informers.cache(&CONTROLLER_REVISIONS),
        pods_by_owner: wiring.pods_by_owner(),
        revisions_by_owner: Index::follow(&wiring.informers, &CONTROLLER_REVISIONS, index::by_controller),
        settle: Settle::default(),
    };
    let queue = wiring.run(Arc::new(controller), 2);
    wiring.informers.wake_for(&DAEMON_SETS, &queue);
    let (all, nodes) = (wiring.informers.cache(&DAEMON_SETS), queue.clone());
    wiring.informers.on(&NODES, move |event| {
        let matters = match event {
            // heartbeats do not matter, where a node may run does
            CacheEvent::Applied { old: Some(old), new } => {
                old["spec"] != new["spec"] || old["metadata"]["labels"] != new["metadata"]["labels"]
            }
            CacheEvent::Applied { .. } | CacheEvent::Deleted(_) => true,
            CacheEvent::Synced => false,
        };
        for set in if matters { all.list() } else { Vec::new() } {
            nodes.add(Key::of(&set), Priority::Drift);
        }
    });
    wiring.informers.wake_for_pods_of("DaemonSet", &queue);
}

#[async_trait]
impl Controller for DaemonSets {
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

impl DaemonSets {
    async fn round(&self, key: &Key) -> Result<Outcome, String> {
        self.settle.settled(key).await?;
        let Some(set) = self.sets.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        if claim::selector(&set).is_none() {
            return Ok(Outcome::Done);
        }
        let observed = Observed {
            pods: self.pods_by_owner.get(object::uid(&set)),
            revisions: self.revisions_by_owner.get(object::uid(&set)),
            nodes: self.nodes.list(),
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
        let failure = self.act(key, &set, &planned).await;
        if set["status"] != planned.status {
            let answer = self.hands.write_status(&DAEMON_SETS, &set, planned.status.clone()).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.sets, &answer);
        }
        for revision in &planned.old_revisions {
            let answer = self.hands.delete(&CONTROLLER_REVISIONS, revision, DeleteOptions::default()).await.map_err(|e| e.to_string())?;
            self.settle.deleted(key, &self.revisions, revision, answer.as_ref());
        }
        match failure {
            Some(why) => Err(why),
            None => Ok(planned.again.map_or(Outcome::Done, Outcome::Again)),
        }
    }

    async fn act(&self, key: &Key, set: &Value, planned: &plan::Plan) -> Option<String> {
        let (made, failure) = slow_start(planned.create.len(), |index| self.hands.create(&PODS, &planned.create[index])).await;
        for pod in &made {
            self.settle.wrote(key, &self.pods, pod);
            self.hands.tell(set, &Told::normal("SuccessfulCreate", format!("Created pod: {}", object::name(pod))));
        }
        if let Some(error) = failure.filter(|error| !error.is_namespace_terminating()) {
            self.hands.tell(set, &Told::warning("FailedCreate", format!("Error creating: {error}")));
            return Some(error.to_string());
        }
        for pod in &planned.delete {
            match self.hands.delete(&PODS, pod, DeleteOptions::default()).await {
                Ok(answer) => {
                    self.settle.deleted(key, &self.pods, pod, answer.as_ref());
                    self.hands.tell(set, &Told::normal("SuccessfulDelete", format!("Deleted pod: {}", object::name(pod))));
                }
                Err(error) => return Some(error.to_string()),
            }
        }
        None
    }
}
