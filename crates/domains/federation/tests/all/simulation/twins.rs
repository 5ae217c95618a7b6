//! Two machines that are equal in everything, as the clone of a running virtual machine is: one of the two hubs works.

use std::time::Duration;

use comity_core::{condition, object};
use comity_testkit::{FakeCluster, Gate};

use super::{
    SYSTEM, Sim,
    wishes::{Id, NAMESPACE, Where, Wish},
};
use crate::world::{apply, gvr};

/// The reason why a hub only reads a member, if it does.
fn closed(hub: &FakeCluster, cluster: &str) -> Option<String> {
    let cluster = hub.get(&gvr("core.kubefed.io", "kubefedclusters"), SYSTEM, cluster).unwrap();
    condition::find(&cluster, "HubBehind").map(|c| object::str_at(c, &["reason"]).to_owned())
}

impl Sim {
    fn wish(&self, text: &str) -> Wish {
        Wish { text: text.to_owned(), place: Where::Clusters(self.clusters().into_iter().collect()), overrides: Default::default() }
    }

    /// What the members show of an object.
    fn shown(&self, id: &Id) -> Vec<String> {
        let copies = self.members.values().filter_map(|m| m.cluster.get(&id.copies(), NAMESPACE, &id.name));
        copies.map(|copy| copy["data"]["k"].as_str().unwrap().to_owned()).collect()
    }
}

async fn one_of_two_works() {
    let mut sim = Sim::start(1).await;
    let id = Id::config_map("one");
    apply(&sim.client, &sim.wish("before").object(&id)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(sim.shown(&id), ["before"; 4]);

    // the machine is cloned while it runs
    let second = sim.hub.twin();
    let client = Gate::new(std::sync::Arc::new(second.clone())).client();
    let twin = sim.federate(client.clone());
    tokio::time::sleep(Duration::from_secs(120)).await;
    for cluster in sim.clusters() {
        assert_eq!(closed(&sim.hub, &cluster).as_deref(), Some("HeldByOther"), "the older process yields {cluster}");
        assert_eq!(closed(&second, &cluster), None, "the younger one has {cluster}");
    }

    // both are asked for something, again and again: only one of them is obeyed
    let deletions = |sim: &Sim| -> usize {
        let written = sim.members.values().flat_map(|m| m.cluster.take_written());
        written.filter(|w| w.method == http::Method::DELETE).count()
    };
    for round in 0..5 {
        apply(&sim.client, &sim.wish(&format!("older {round}")).object(&id)).await;
        apply(&client, &sim.wish(&format!("younger {round}")).object(&id)).await;
        tokio::time::sleep(Duration::from_secs(40)).await;
        assert_eq!(sim.shown(&id), vec![format!("younger {round}"); 4]);
    }
    let status = sim.hub.get(&id.owners(), NAMESPACE, "one").unwrap();
    let entries = object::items_at(&status, &["status", "clusters"]);
    assert!(entries.len() == 4 && entries.iter().all(|e| e["reason"] == "HeldByOther"), "{status:#}");
    sim.client.delete(&id.owners(), NAMESPACE, "one", &comity_lane::DeleteOptions::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((sim.shown(&id).len(), deletions(&sim)), (4, 0), "the one that only reads deletes nothing");
    twin.shutdown().await;
    if let Some(federation) = sim.federation.take() {
        federation.shutdown().await;
    }
}

#[test]
fn of_two_clones_of_one_running_machine_exactly_one_works_and_the_other_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(one_of_two_works());
}
