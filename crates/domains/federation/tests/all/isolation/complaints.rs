//! What users of KubeFed complain about, as far as it is about faults.

use super::*;
use base64::{Engine, prelude::BASE64_STANDARD};
use comity_lane::PatchKind;

async fn token(fleet: &Fleet, cluster: &str, token: &str) {
    let secret = json!({"data": {"token": BASE64_STANDARD.encode(token)}});
    fleet
        .world
        .hub
        .patch(&gvr("", "secrets"), "kube-federation-system", cluster, None, PatchKind::Merge, &secret, "test", false)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unreachable_cluster_and_one_lost_secret_stop_no_type_anywhere() {
    let fleet = Fleet::start().await;
    fleet.proxies[0].set(Fault::Refused);
    let secrets = gvr("", "secrets");
    let secret = fleet.world.hub.get(&secrets, "kube-federation-system", "cluster2").await.unwrap().unwrap();
    fleet.world.hub.delete(&secrets, "kube-federation-system", "cluster2", &DeleteOptions::default()).await.unwrap();
    fleet.named("cluster1", "ClusterNotReachable").await;
    let message = fleet.named("cluster2", "ClusterConfigMalformed").await;
    assert!(message.contains("\"cluster2\""), "{message}");

    let mut other = federated("other", "", &ALL);
    other["kind"] = "FederatedSecret".into();
    other["spec"]["template"] = json!({"data": {"k": "dg=="}});
    fleet.world.apply(&other).await;
    fleet.apply("one", "v").await;
    fleet.shows(2, "one", "v").await;
    let there = fleet.world.watch(&fleet.world.members[2], secrets.clone());
    there.object("the other type", NAMESPACE, "other", |o| o["data"]["k"] == "dg==").await;
    fleet.status("one", "both are named", |o| says(o, "cluster1", "ClusterNotReady") && says(o, "cluster2", "ClusterNotReady")).await;

    let again = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cluster2"}, "data": secret["data"]});
    fleet.world.hub.create(&secrets, "kube-federation-system", &again, "test").await.unwrap();
    fleet.proxies[0].set(Fault::None);
    fleet.propagated("one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_cluster_does_not_block_a_deletion_that_says_so() {
    let fleet = Fleet::start().await;
    fleet.apply("one", "v").await;
    fleet.propagated("one").await;
    fleet.proxies[0].set(Fault::Silent);
    fleet.named("cluster1", "ClusterNotReachable").await;
    let mut orphan = federated("one", "v", &ALL);
    orphan["metadata"]["annotations"] = json!({"comity.dev/on-unreachable": "Orphan"});
    fleet.world.apply(&orphan).await;
    fleet.delete("one").await;
    fleet.federated.gone("the object", NAMESPACE, "one").await;
    for member in [1, 2] {
        fleet.copies[member].gone("the copy", NAMESPACE, "one").await;
    }
    assert_eq!(fleet.deletions(), [0, 1, 1]);
    assert!(fleet.copies[0].cache.get(NAMESPACE, "one").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_repairs_wait_for_no_clock() {
    let fleet = Fleet::start().await;
    fleet.apply("one", "1").await;
    fleet.propagated("one").await;
    let began = Instant::now();
    fleet.apply("one", "2").await;
    for member in 0..3 {
        fleet.shows(member, "one", "2").await;
    }
    for round in 0..10 {
        let theirs = json!({"data": {"k": format!("theirs {round}")}});
        let (member, maps) = (&fleet.world.members[0], gvr("", "configmaps"));
        let edited = member.patch(&maps, NAMESPACE, "one", None, PatchKind::Merge, &theirs, "kubectl-edit", false);
        let edited: u64 = object::resource_version(&edited.await.unwrap()).parse().unwrap();
        let repaired = |o: &Value| o["data"]["k"] == "2" && object::resource_version(o).parse::<u64>().unwrap() > edited;
        fleet.copies[0].object("the repair", NAMESPACE, "one", repaired).await;
    }
    // one edit and ten repairs; KubeFed takes ten seconds for each repair
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_named_and_a_new_one_is_used_without_a_restart() {
    let fleet = Fleet::start().await;
    fleet.apply("one", "1").await;
    fleet.propagated("one").await;
    token(&fleet, "cluster1", "revoked").await;
    let message = fleet.named("cluster1", "ClusterCredentialsRejected").await;
    assert!(message.contains("Unauthorized"), "{message}");
    fleet.apply("one", "2").await;
    for member in [1, 2] {
        fleet.shows(member, "one", "2").await;
    }
    let right = fleet.world.clusters[1].token().to_owned();
    token(&fleet, "cluster1", &right).await;
    fleet.shows(0, "one", "2").await;
    fleet.propagated("one").await;
    assert_eq!(fleet.deletions(), [0, 0, 0]);
}
