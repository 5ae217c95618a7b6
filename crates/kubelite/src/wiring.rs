//! How the controllers of one cluster are put together.

use std::{cell::OnceCell, collections::HashMap, sync::Arc};

use comity_runtime::{Controller, Queue, lane::ClusterClient, run};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    handle::Handle,
    kit::{
        hands::{CONTROLLER_MANAGER, Hands, KUBELET},
        index::{self, Index},
        informers::Informers,
        resources::{PODS, REPLICA_SETS},
    },
};

/// Gives the client of a user, by its full name, such as `system:serviceaccount:kube-system:deployment-controller`,
/// `system:kube-scheduler` or `system:node:node-1`. [`groups_of`] tells the groups that go with it.
pub type Clients = Arc<dyn Fn(&str) -> ClusterClient + Send + Sync>;

/// The groups of a user that the controllers act as.
pub fn groups_of(user: &str) -> Vec<String> {
    let mut groups = Vec::new();
    if let Some(account) = user.strip_prefix("system:serviceaccount:") {
        let namespace = account.split_once(':').map_or(account, |(namespace, _)| namespace);
        groups.push("system:serviceaccounts".to_owned());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    } else if user.starts_with("system:node:") {
        groups.push("system:nodes".to_owned());
    }
    groups.push("system:authenticated".to_owned());
    groups
}

/// What starting controllers share.
pub(crate) struct Wiring {
    clients: Clients,
    pub(crate) informers: Arc<Informers>,
    pods_by_owner: OnceCell<Arc<Index>>,
    pods_by_node: OnceCell<Arc<Index>>,
    replica_sets_by_owner: OnceCell<Arc<Index>>,
    stop: CancellationToken,
    controllers: Vec<(Arc<dyn Controller>, Queue, usize)>,
    tasks: JoinSet<()>,
}

impl Wiring {
    pub(crate) fn new(clients: Clients) -> Self {
        let informers = Arc::new(Informers::new(clients("system:kube-controller-manager")));
        Self {
            clients,
            informers,
            pods_by_owner: OnceCell::new(),
            pods_by_node: OnceCell::new(),
            replica_sets_by_owner: OnceCell::new(),
            stop: CancellationToken::new(),
            controllers: Vec::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Pods by their controller's uid.
    pub(crate) fn pods_by_owner(&self) -> Arc<Index> {
        self.pods_by_owner.get_or_init(|| Index::follow(&self.informers, &PODS, index::by_controller)).clone()
    }

    /// Pods by their node.
    pub(crate) fn pods_by_node(&self) -> Arc<Index> {
        self.pods_by_node.get_or_init(|| Index::follow(&self.informers, &PODS, index::by_node)).clone()
    }

    /// ReplicaSets by their controller's uid.
    pub(crate) fn replica_sets_by_owner(&self) -> Arc<Index> {
        self.replica_sets_by_owner.get_or_init(|| Index::follow(&self.informers, &REPLICA_SETS, index::by_controller)).clone()
    }

    /// The hands of a controller of the controller manager.
    pub(crate) fn controller(&self, name: &str) -> Hands {
        self.hands(&format!("system:serviceaccount:kube-system:{name}"), CONTROLLER_MANAGER, name)
    }

    /// The hands of any user, with the field manager and the component that events name.
    pub(crate) fn hands(&self, user: &str, manager: &'static str, component: &str) -> Hands {
        Hands::new((self.clients)(user), manager, component)
    }

    /// The hands of node agents, by node; they share one voice.
    pub(crate) fn node_hands(&self) -> impl Fn(&str) -> Hands + Send + Sync + 'static {
        let clients = self.clients.clone();
        let common = self.hands("system:kube-controller-manager", KUBELET, "kubelet");
        let known: Mutex<HashMap<String, Hands>> = Mutex::default();
        move |node| {
            let mut known = known.lock();
            let make = || common.acting_as(clients(&format!("system:node:{node}")));
            known.entry(node.to_owned()).or_insert_with(make).clone()
        }
    }

    /// Notes a controller; it works from [`Wiring::start`] on. Keys go into the queue.
    pub(crate) fn run(&mut self, controller: Arc<dyn Controller>, workers: usize) -> Queue {
        let queue = Queue::new();
        self.run_with(controller, queue.clone(), workers);
        queue
    }

    /// Notes a controller that has its queue already.
    pub(crate) fn run_with(&mut self, controller: Arc<dyn Controller>, queue: Queue, workers: usize) {
        self.controllers.push((controller, queue, workers));
    }

    /// Runs something besides controllers; it must end when the stop token is cancelled.
    pub(crate) fn task(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// The client of the controller manager itself.
    pub(crate) fn manager_client(&self) -> ClusterClient {
        (self.clients)("system:kube-controller-manager")
    }

    /// Cancelled when everything stops.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts all controllers once the caches are filled.
    pub(crate) fn start(self) -> Handle {
        let mut tasks = self.tasks;
        for (controller, queue, workers) in self.controllers {
            let (informers, stop) = (self.informers.clone(), self.stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = informers.synced() => {}
                    () = stop.cancelled() => return,
                }
                run(controller, queue, workers, stop).await;
            });
        }
        Handle::new(self.informers, self.stop, tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_the_groups_that_authentication_would_give() {
        let account = groups_of("system:serviceaccount:kube-system:job-controller");
        assert_eq!(account, ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]);
        assert_eq!(groups_of("system:node:n1"), ["system:nodes", "system:authenticated"]);
        assert_eq!(groups_of("system:kube-scheduler"), ["system:authenticated"]);
    }
}
