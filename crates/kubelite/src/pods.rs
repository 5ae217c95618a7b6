//! Pods on simulated nodes: they start, get ready, fail as asked, finish and stop.

mod containers;
mod fate;
mod plan;
mod status;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use comity_core::{Value, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority, Queue,
    lane::{Cache, CacheEvent, ClientError, DeleteOptions},
};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{
    config::MemberConfig,
    kit::{
        hands::Hands,
        index::Index,
        informers::Informers,
        resources::{NODES, PODS},
        settle::Settle,
        simulated,
    },
    nodes::Addresses,
    wiring::Wiring,
};
use plan::{Observed, Progress, plan};

struct Pods {
    config: MemberConfig,
    hands: Box<dyn Fn(&str) -> Hands + Send + Sync>,
    pods: Cache,
    nodes: Cache,
    addresses: Arc<Addresses>,
    /// More exact times than the status can hold, by uid.
    progress: Arc<Mutex<HashMap<String, Progress>>>,
    settle: Settle,
}

/// Starts the node agents' part that runs pods.
pub(crate) fn start(wiring: &mut Wiring, config: &MemberConfig) {
    let addresses: Arc<Addresses> = Arc::default();
    let progress: Arc<Mutex<HashMap<String, Progress>>> = Arc::default();
    let controller = Pods {
        config: config.clone(),
        hands: Box::new(wiring.node_hands()),
        pods: wiring.informers.cache(&PODS),
        nodes: wiring.informers.cache(&NODES),
        addresses: addresses.clone(),
        progress: progress.clone(),
        settle: Settle::default(),
    };
    let by_node = wiring.pods_by_node();
    let queue = wiring.run(Arc::new(controller), 32);
    let pods = queue.clone();
    wiring.informers.on(&PODS, move |event| match event {
        CacheEvent::Applied { new, .. } => {
            addresses.note(new);
            if !object::str_at(new, &["spec", "nodeName"]).is_empty() {
                pods.add(Key::of(new), Priority::Drift);
            }
        }
        CacheEvent::Deleted(last) => {
            addresses.release(last);
            progress.lock().remove(object::uid(last));
        }
        CacheEvent::Synced => {}
    });
    on_nodes(&wiring.informers, by_node, queue);
}

/// A node that appears, or comes back, has pods to look at.
fn on_nodes(informers: &Informers, by_node: Arc<Index>, queue: Queue) {
    informers.on(&NODES, move |event| {
        let CacheEvent::Applied { old, new } = event else { return };
        let serves = |node: &Value| simulated::is_ours(node) && !simulated::is_unreachable(node) && has_block(node);
        if serves(new) && !old.as_ref().is_some_and(|old| serves(old)) {
            for pod in by_node.get(object::name(new)) {
                queue.add(Key::of(&pod), Priority::Resync);
            }
        }
    });
}

fn has_block(node: &Value) -> bool {
    !object::str_at(node, &["spec", "podCIDR"]).is_empty()
}

#[async_trait]
impl Controller for Pods {
    fn name(&self) -> &str {
        "simulated-pods"
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        if let Err(why) = self.settle.settled(key).await {
            return Outcome::Retry(why);
        }
        match self.round(key).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

impl Pods {
    async fn round(&self, key: &Key) -> Result<Outcome, ClientError> {
        let Some(pod) = self.pods.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        let node_name = object::str_at(&pod, &["spec", "nodeName"]);
        let Some(node) = self.nodes.get("", node_name).filter(|node| simulated::is_ours(node) && !simulated::is_unreachable(node)) else {
            return Ok(Outcome::Done);
        };
        let now = Timestamp::now();
        let address = match self.addresses.of(&pod, object::str_at(&node, &["spec", "podCIDR"])) {
            Some(address) => address.to_string(),
            // the node has no addresses yet, or none left: its next change or the next freed address lets the pod go on
            None => return Ok(Outcome::Retry(format!("node {node_name} has no free pod address"))),
        };
        let progress = self.progress.lock().entry(object::uid(&pod).to_owned()).or_insert_with(|| Progress::recovered(&pod, now)).clone();
        let planned =
            plan(&Observed { pod: &pod, node: &node, address: &address, pace: &self.config.pace, seed: self.config.seed, progress, now });
        if let Some(kept) = self.progress.lock().get_mut(object::uid(&pod)) {
            *kept = planned.progress;
        }
        let hands = (self.hands)(node_name);
        if let Some(status) = planned.status {
            match hands.strategic_status(&PODS, &pod, status).await {
                Ok(answer) => self.settle.wrote(key, &self.pods, &answer),
                Err(error) if error.is_not_found() => return Ok(Outcome::Done),
                Err(error) => return Err(error),
            }
        }
        for told in &planned.told {
            hands.tell_from(node_name, &pod, told);
        }
        if planned.delete {
            let answer = hands.delete(&PODS, &pod, DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() }).await?;
            self.settle.deleted(key, &self.pods, &pod, answer.as_ref());
        }
        Ok(planned.again.map_or(Outcome::Done, Outcome::Again))
    }
}
