//! A small scheduler: fitting nodes, the emptiest first.

pub(crate) mod filters;
mod needs;
mod plan;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use comity_core::{Value, condition, json, object, time};
use comity_runtime::{
    Controller, Key, Outcome, Priority,
    lane::{Cache, CacheEvent, ClientError},
};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{
    kit::{
        hands::{Hands, SCHEDULER, Told},
        index::Index,
        pod,
        resources::{NODES, PODS},
    },
    wiring::Wiring,
};
use plan::{Decision, Observed, plan};

const NAME: &str = "default-scheduler";
/// Bindings in flight.
const AT_ONCE: usize = 32;

struct Scheduler {
    hands: Hands,
    nodes: Cache,
    pods_by_node: Arc<Index>,
    /// Bindings that the cache does not show yet, by pod uid.
    assumed: Mutex<HashMap<String, String>>,
    seed: u64,
}

/// Starts the scheduler. All pods that wait are one piece of work.
pub(crate) fn start(wiring: &mut Wiring, seed: u64) {
    let controller = Scheduler {
        hands: wiring.hands("system:kube-scheduler", SCHEDULER, NAME),
        nodes: wiring.informers.cache(&NODES),
        pods_by_node: wiring.pods_by_node(),
        assumed: Mutex::default(),
        seed,
    };
    let waiting = wiring.pods_by_node();
    let queue = wiring.run(Arc::new(controller), 1);
    let (pods, still_waiting) = (queue.clone(), waiting.clone());
    wiring.informers.on(&PODS, move |event| {
        let helps = match event {
            CacheEvent::Applied { old, new } => {
                let freed = pod::is_finished(new) && old.as_ref().is_some_and(|old| !pod::is_finished(old));
                // a change of status alone, such as the scheduler's own, lets nothing fit
                let changed = old.as_ref().is_none_or(|old| old["spec"] != new["spec"]);
                (is_waiting(new) && changed) || (freed && !waiting.get("").is_empty())
            }
            CacheEvent::Deleted(_) => !waiting.get("").is_empty(),
            CacheEvent::Synced => false,
        };
        if helps {
            pods.add(Key::new("", "pods"), Priority::User);
        }
    });
    wiring.informers.on(&NODES, move |event| {
        let helps = match event {
            CacheEvent::Applied { old, new } => old.as_ref().is_none_or(|old| {
                old["spec"] != new["spec"] || old["metadata"]["labels"] != new["metadata"]["labels"] || differs(old, new)
            }),
            _ => false,
        };
        if helps && !still_waiting.get("").is_empty() {
            queue.add(Key::new("", "pods"), Priority::Drift);
        }
    });
}

/// Whether what a node offers, or its readiness, differs.
fn differs(old: &Value, new: &Value) -> bool {
    old["status"]["allocatable"] != new["status"]["allocatable"] || condition::is_true(old, "Ready") != condition::is_true(new, "Ready")
}

/// Whether a pod is for this scheduler to place.
fn is_waiting(pod: &Value) -> bool {
    object::str_at(pod, &["spec", "nodeName"]).is_empty()
        && matches!(object::str_at(pod, &["spec", "schedulerName"]), "" | NAME)
        && pod::is_active(pod)
}

#[async_trait]
impl Controller for Scheduler {
    fn name(&self) -> &str {
        NAME
    }

    async fn reconcile(&self, _key: &Key) -> Outcome {
        let decisions = plan(&self.gather(), self.seed);
        let written = stream::iter(decisions).map(|(pod, decision)| self.carry_out(pod, decision)).buffer_unordered(AT_ONCE);
        let failures: Vec<ClientError> = written.filter_map(async |result| result.err()).collect().await;
        match failures.first() {
            Some(error) => Outcome::Retry(error.to_string()),
            None => Outcome::Done,
        }
    }
}

impl Scheduler {
    fn gather(&self) -> Observed {
        let mut assumed = self.assumed.lock();
        // what the cache shows, or no longer has, need not be assumed
        let waiting = self.pods_by_node.get("");
        assumed.retain(|uid, _| waiting.iter().any(|pod| object::uid(pod) == uid));
        let nodes = self.nodes.list();
        let mut bound: Vec<(String, Arc<Value>)> = Vec::new();
        for node in &nodes {
            let name = object::name(node);
            bound.extend(self.pods_by_node.get(name).into_iter().filter(|p| !pod::is_finished(p)).map(|p| (name.to_owned(), p)));
        }
        bound.extend(waiting.iter().filter_map(|pod| Some((assumed.get(object::uid(pod))?.clone(), pod.clone()))));
        let waiting = waiting.into_iter().filter(|pod| is_waiting(pod) && !assumed.contains_key(object::uid(pod))).collect();
        Observed { waiting, nodes, bound }
    }

    async fn carry_out(&self, pod: Arc<Value>, decision: Decision) -> Result<(), ClientError> {
        let (namespace, name) = (object::namespace(&pod), object::name(&pod));
        match decision {
            Decision::Bind(node) => {
                let binding = json!({
                    "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace, "uid": object::uid(&pod)},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": node},
                });
                self.assumed.lock().insert(object::uid(&pod).to_owned(), node.clone());
                match self.hands.client.create_sub(&PODS, namespace, name, "binding", &binding, SCHEDULER).await {
                    Ok(_) => {
                        self.hands.tell(&pod, &Told::normal("Scheduled", format!("Successfully assigned {namespace}/{name} to {node}")));
                        Ok(())
                    }
                    Err(error) => {
                        self.assumed.lock().remove(object::uid(&pod));
                        // gone, or placed by somebody else: nothing to do
                        if error.is_not_found() || error.is_conflict() { Ok(()) } else { Err(error) }
                    }
                }
            }
            Decision::Wait { reason, message } => {
                let old = condition::find(&pod, "PodScheduled");
                if old.is_some_and(|old| old["reason"] == reason && old["message"] == message) {
                    return Ok(());
                }
                let condition = json!({
                    "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
                    "lastProbeTime": null, "lastTransitionTime": time::rfc3339(Timestamp::now()),
                });
                match self.hands.strategic_status(&PODS, &pod, json!({"status": {"conditions": [condition]}})).await {
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => {}
                }
                if reason == "Unschedulable" {
                    self.hands.tell(&pod, &Told::warning("FailedScheduling", message));
                }
                Ok(())
            }
        }
    }
}
