//! Controllers and simulated nodes that make an API server behave like a cluster.
//!
//! Everything goes through the Kubernetes API, so the same controllers serve the embedded API server and a real one.
//! Pods of simulated nodes run no processes; nodes, pods and their logs say so.

mod accounts;
mod balancers;
mod collector;
mod config;
mod daemonset;
mod deployment;
mod endpoints;
mod expiry;
mod handle;
mod jobs;
mod kit;
mod logs;
mod namespaces;
mod nodes;
mod podgc;
mod pods;
mod replicaset;
mod scheduler;
mod statefulset;
mod wiring;

pub use config::{HubConfig, MemberConfig, NodeSize, Pace};
pub use handle::Handle;
pub use logs::{LogRequest, PodLogs};
pub use wiring::{Clients, groups_of};

use kit::catalog::Catalog;
use wiring::Wiring;

/// Starts what every API server needs: namespaces that can be deleted, garbage collection, service accounts.
pub fn start_hub_set(config: &HubConfig) -> Handle {
    let mut wiring = Wiring::new(config.clients.clone());
    add_hub_set(&mut wiring, &config.ca_pem);
    wiring.start()
}

/// Starts simulated nodes alone, for a control plane that has controllers and a scheduler of its own.
pub fn start_nodes(config: &MemberConfig) -> Handle {
    let mut wiring = Wiring::new(config.clients.clone());
    nodes::start(&mut wiring, config);
    pods::start(&mut wiring, config);
    wiring.start()
}

/// Starts what makes an API server a cluster: the hub's set, the controllers of workloads, a scheduler and simulated nodes.
pub fn start_member_set(config: &MemberConfig) -> Handle {
    let mut wiring = Wiring::new(config.clients.clone());
    nodes::start(&mut wiring, config);
    scheduler::start(&mut wiring, config.seed);
    pods::start(&mut wiring, config);
    podgc::start(&mut wiring);
    replicaset::start(&mut wiring);
    deployment::start(&mut wiring);
    statefulset::start(&mut wiring);
    daemonset::start(&mut wiring);
    jobs::start(&mut wiring);
    endpoints::start(&mut wiring);
    balancers::start(&mut wiring, &config.cluster);
    expiry::start(&mut wiring);
    // last, so that the collector shares the caches of the others
    add_hub_set(&mut wiring, &config.ca_pem);
    wiring.start()
}

fn add_hub_set(wiring: &mut Wiring, ca_pem: &str) {
    let catalog = Catalog::new(&wiring.informers);
    accounts::start(wiring, ca_pem);
    let on_gone = namespaces::start(wiring, &catalog);
    collector::start(wiring, &catalog, on_gone);
    wiring.task(catalog.keep(wiring.manager_client(), wiring.stop_token()));
}
