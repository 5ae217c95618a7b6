//! Simulated nodes: they exist, are ready, and renew their leases.

mod address;
mod plan;
mod status;
mod taints;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use comity_core::{Value, json, object, time};
use comity_runtime::{
    Controller, Key, Outcome, Priority,
    lane::{Cache, CacheEvent, ClientError},
};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{
    config::MemberConfig,
    kit::{
        hands::{Hands, Told},
        resources::{LEASES, NODES},
        simulated,
    },
    wiring::Wiring,
};
pub(crate) use address::Addresses;
use plan::{Beats, plan};

/// The namespace of node leases.
const LEASE_NAMESPACE: &str = "kube-node-lease";

struct Nodes {
    config: MemberConfig,
    /// As the node itself, made for each.
    hands: Box<dyn Fn(&str) -> Hands + Send + Sync>,
    nodes: Cache,
    /// Nodes that this process has made: a node that is deleted later stays so.
    made: Mutex<HashMap<String, Beats>>,
}

/// Starts the nodes.
pub(crate) fn start(wiring: &mut Wiring, config: &MemberConfig) {
    let controller = Nodes {
        config: config.clone(),
        hands: Box::new(wiring.node_hands()),
        nodes: wiring.informers.cache(&NODES),
        made: Mutex::default(),
    };
    let queue = wiring.run(Arc::new(controller), 2);
    for index in 0..config.nodes {
        queue.add(Key::new("", &address::node_name(&config.cluster, index)), Priority::User);
    }
    wiring.informers.on(&NODES, move |event| {
        if let CacheEvent::Applied { new, .. } = event
            && simulated::is_ours(new)
        {
            queue.add(Key::of(new), Priority::Drift);
        }
    });
}

#[async_trait]
impl Controller for Nodes {
    fn name(&self) -> &str {
        "simulated-nodes"
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        match self.round(&key.name).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

impl Nodes {
    async fn round(&self, name: &str) -> Result<Outcome, ClientError> {
        let hands = (self.hands)(name);
        let now = Timestamp::now();
        let Some(node) = self.nodes.get("", name) else {
            return self.make(&hands, name).await;
        };
        if !simulated::is_ours(&node) {
            return Ok(Outcome::Done);
        }
        let beats = self.made.lock().get(name).copied().unwrap_or_default();
        let all = self.nodes.list();
        let planned = plan(&self.config, &node, &all, beats, now);
        if let Some(block) = &planned.pod_block {
            hands.merge(&NODES, &node, None, json!({"spec": {"podCIDR": block, "podCIDRs": [block]}})).await?;
        }
        if let Some(status) = &planned.status {
            hands.merge(&NODES, &node, Some("status"), json!({"status": status})).await?;
            if planned.became_ready {
                hands.tell_from(name, &node, &Told::normal("NodeReady", format!("Node {name} status is now: NodeReady")));
            }
        }
        if let Some(taints) = &planned.taints {
            hands.merge(&NODES, &node, None, json!({"spec": {"taints": taints}})).await?;
        }
        if planned.renew {
            self.renew_lease(&hands, &node, now).await?;
        }
        self.made.lock().insert(name.to_owned(), planned.beats);
        Ok(planned.again.map_or(Outcome::Done, Outcome::Again))
    }

    async fn make(&self, hands: &Hands, name: &str) -> Result<Outcome, ClientError> {
        let Some(index) = address::index_of(&self.config.cluster, name).filter(|index| *index < self.config.nodes) else {
            return Ok(Outcome::Done);
        };
        if self.made.lock().contains_key(name) {
            return Ok(Outcome::Done);
        }
        match hands.create(&NODES, &status::new_node(&self.config, index)).await {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => {
                self.made.lock().insert(name.to_owned(), Beats::default());
                Ok(Outcome::Done)
            }
        }
    }

    async fn renew_lease(&self, hands: &Hands, node: &Value, now: Timestamp) -> Result<(), ClientError> {
        let name = object::name(node);
        let renewed = json!({"spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time::rfc3339_micro(now)}});
        let mut lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": name, "namespace": LEASE_NAMESPACE},
        });
        match hands.merge(&LEASES, &lease, None, renewed.clone()).await {
            Err(error) if error.is_not_found() => {
                let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": object::uid(node)});
                object::set(&mut lease, &["metadata", "ownerReferences"], json!([owner]));
                lease["spec"] = renewed["spec"].clone();
                hands.create(&LEASES, &lease).await.map(drop)
            }
            other => other.map(drop),
        }
    }
}
