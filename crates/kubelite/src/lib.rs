//! Controllers and simulated nodes that make an API server behave like a cluster.
//!
//! Everything goes through the Kubernetes API, so the same controllers serve the embedded API server and a real one.
//! Pods of simulated nodes run no processes; nodes, pods and their logs say so.

mod config;
mod deployment;
mod handle;
mod kit;
mod nodes;
mod pods;
mod replicaset;
mod scheduler;
mod wiring;

pub use config::{HubConfig, MemberConfig, NodeSize, Pace};
pub use handle::Handle;
pub use wiring::{Clients, groups_of};

use wiring::Wiring;

/// Starts what makes an API server with workloads a cluster: the controllers of workloads, a scheduler and simulated nodes.
pub fn start_member_set(config: &MemberConfig) -> Handle {
    let mut wiring = Wiring::new(config.clients.clone());
    nodes::start(&mut wiring, config);
    scheduler::start(&mut wiring, config.seed);
    pods::start(&mut wiring, config);
    replicaset::start(&mut wiring);
    deployment::start(&mut wiring);
    wiring.start()
}
