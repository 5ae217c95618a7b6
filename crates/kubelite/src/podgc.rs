//! Pods whose node is gone: nobody else would end them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use comity_core::{Value, json, object, time};
use comity_runtime::{
    Controller, Key, Outcome, Queue,
    lane::{Cache, CacheEvent, ClientError, DeleteOptions},
};
use jiff::Timestamp;

use crate::{
    kit::{
        hands::Hands,
        pod,
        resources::{NODES, PODS},
    },
    wiring::Wiring,
};

const NAME: &str = "pod-garbage-collector";
/// How long a node must have been gone: it may be made anew.
const QUARANTINE: Duration = Duration::from_secs(40);

struct PodGc {
    hands: Hands,
    nodes: Cache,
    pods: Cache,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring) {
    let nodes = wiring.informers.cache(&NODES);
    let controller = PodGc { hands: wiring.controller(NAME), nodes: nodes.clone(), pods: wiring.informers.cache(&PODS) };
    let by_node = wiring.pods_by_node();
    let queue = wiring.run(Arc::new(controller), 2);
    let (lost, pods) = (queue.clone(), wiring.informers.cache(&PODS));
    let known = nodes.clone();
    wiring.informers.on(&NODES, move |event| match event {
        CacheEvent::Deleted(node) => quarantine(&lost, by_node.get(object::name(node))),
        CacheEvent::Synced => quarantine(&lost, pods.list().into_iter().filter(|pod| is_lost(pod, &known))),
        CacheEvent::Applied { .. } => {}
    });
    wiring.informers.on(&PODS, move |event| {
        if let CacheEvent::Applied { old: None, new } = event
            && nodes.is_synced()
            && is_lost(new, &nodes)
        {
            quarantine(&queue, [new.clone()]);
        }
    });
}

fn quarantine(queue: &Queue, pods: impl IntoIterator<Item = Arc<Value>>) {
    for pod in pods {
        queue.add_after(Key::of(&pod), QUARANTINE);
    }
}

/// Whether a pod is bound to a node that is not there.
fn is_lost(pod: &Value, nodes: &Cache) -> bool {
    let node = object::str_at(pod, &["spec", "nodeName"]);
    !node.is_empty() && nodes.get("", node).is_none()
}

#[async_trait]
impl Controller for PodGc {
    fn name(&self) -> &str {
        NAME
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        match self.round(key).await {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

impl PodGc {
    async fn round(&self, key: &Key) -> Result<(), ClientError> {
        let Some(pod) = self.pods.get(&key.namespace, &key.name).filter(|pod| is_lost(pod, &self.nodes)) else { return Ok(()) };
        let node = object::str_at(&pod, &["spec", "nodeName"]);
        if self.hands.client.get(&NODES, "", node).await?.is_some() {
            return Ok(());
        }
        if !pod::is_finished(&pod)
            && let Err(error) = self.hands.strategic_status(&PODS, &pod, failed(Timestamp::now())).await
            && !error.is_not_found()
        {
            return Err(error);
        }
        self.hands.delete(&PODS, &pod, DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() }).await.map(drop)
    }
}

/// The end of a pod whose node is gone.
fn failed(now: Timestamp) -> Value {
    json!({"status": {"phase": "Failed", "conditions": [{
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": "PodGC: node no longer exists",
        "lastTransitionTime": time::rfc3339(now),
    }]}})
}
