//! What a cluster is to be like.

use std::{ops::Range, time::Duration};

use crate::wiring::Clients;

/// The settings of the controllers that every API server needs.
#[derive(Clone)]
pub struct HubConfig {
    /// Clients of the cluster, by user.
    pub clients: Clients,
    /// The certificate authority that `kube-root-ca.crt` tells, in PEM.
    pub ca_pem: String,
}

/// The settings of a member with simulated nodes.
#[derive(Clone)]
pub struct MemberConfig {
    /// Clients of the cluster, by user.
    pub clients: Clients,
    /// The certificate authority that `kube-root-ca.crt` tells, in PEM.
    pub ca_pem: String,
    /// The cluster's name; node names begin with it.
    pub cluster: String,
    /// How many nodes are made. More can be made at any time: each Node with the label `comity.dev/simulated: "true"` is served.
    pub nodes: usize,
    /// What every node of ours offers.
    pub node: NodeSize,
    /// `topology.kubernetes.io/region` of the nodes; empty for none.
    pub region: String,
    /// `topology.kubernetes.io/zone` of the nodes, in turn; empty for none.
    pub zones: Vec<String>,
    /// The Kubernetes version that nodes tell, such as `v1.36.3`.
    pub version: String,
    /// Delays and choices repeat with the same seed.
    pub seed: u64,
    /// How things take their time.
    pub pace: Pace,
}

/// What a node offers.
#[derive(Clone, Debug)]
pub struct NodeSize {
    /// CPU quantity.
    pub cpu: String,
    /// Memory quantity.
    pub memory: String,
    /// Number of pods.
    pub pods: u32,
}

/// How long simulated things take.
#[derive(Clone, Debug)]
pub struct Pace {
    /// From binding to running.
    pub start: Range<Duration>,
    /// What each init container takes.
    pub init: Duration,
    /// What a pod of a Job takes, unless its annotation `comity.dev/simulated-duration` says otherwise.
    pub job: Duration,
    /// What stopping takes at most; a shorter grace period counts.
    pub stop: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            start: Duration::from_millis(500)..Duration::from_secs(2),
            init: Duration::from_millis(500),
            job: Duration::from_secs(3),
            stop: Duration::from_secs(1),
        }
    }
}

impl Default for NodeSize {
    fn default() -> Self {
        Self { cpu: "32".to_owned(), memory: "128Gi".to_owned(), pods: 1000 }
    }
}

impl MemberConfig {
    /// A member with two nodes.
    pub fn new(cluster: &str, clients: Clients) -> Self {
        Self {
            clients,
            ca_pem: String::new(),
            cluster: cluster.to_owned(),
            nodes: 2,
            node: NodeSize::default(),
            region: String::new(),
            zones: Vec::new(),
            version: "v1.36.3".to_owned(),
            seed: 0,
            pace: Pace::default(),
        }
    }
}
