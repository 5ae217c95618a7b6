//! Owners that are deleted while a member does not answer.

use comity_core::{Value, condition, json, marks, object};
use comity_lane::DeleteOptions;
use comity_testkit::Kind;

use crate::world::{Watched, World, gvr};

const SYSTEM: &str = "kube-federation-system";

fn config_map(clusters: &[&str]) -> Value {
    let clusters: Vec<Value> = clusters.iter().map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap", "metadata": {"name": "settings", "namespace": "shop"},
        "spec": {"template": {"data": {"k": "v"}}, "placement": {"clusters": clusters}},
    })
}

/// A fleet that notices silence at once, with a copy in both of its members, the second of which is dead now.
async fn one_is_dead() -> (World, Watched, Watched) {
    let mut world = World::of("", Kind::EmbeddedHub, Kind::Embedded, 2).await.unwrap();
    world
        .apply(&json!({
            "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedConfig",
            "metadata": {"name": "kubefed", "namespace": SYSTEM, "annotations": {"comity.dev/defer-after": "1s"}},
            "spec": {"scope": "Cluster", "clusterHealthCheck": {"period": "200ms", "timeout": "1s", "failureThreshold": 1, "successThreshold": 1}},
        }))
        .await;
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let clusters = world.watch(&world.hub, gvr("core.kubefed.io", "kubefedclusters"));
    world.apply(&config_map(&["cluster1", "cluster2"])).await;
    federated.object("propagated", "shop", "settings", |o| condition::is_true(o, "Propagation")).await;
    world.kill(1).await;
    clusters.object("silent", SYSTEM, "cluster2", |o| condition::find(o, "Ready").is_none()).await;
    (world, federated, clusters)
}

async fn delete(world: &World) {
    world.hub.delete(&gvr("types.kubefed.io", "federatedconfigmaps"), "shop", "settings", &DeleteOptions::default()).await.unwrap();
}

fn has_deferred(cluster: &Value) -> bool {
    condition::find(cluster, "DeletionsDeferred").is_some_and(|c| object::str_at(c, &["message"]).contains("shop/settings"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_a_dead_member_goes_when_it_returns_even_after_a_restart() {
    let (mut world, federated, clusters) = one_is_dead().await;
    delete(&world).await;
    federated.gone("the owner, though one member is dead", "shop", "settings").await;
    clusters.object("the member says what is to come", SYSTEM, "cluster2", has_deferred).await;
    world.restart().await;
    world.clusters[2].start_again().await;
    let copies = world.watch(&world.clusters[2].client(), gvr("", "configmaps"));
    copies.gone("the copy", "shop", "settings").await;
    clusters.object("nothing is to come", SYSTEM, "cluster2", |o| condition::find(o, "DeletionsDeferred").is_none()).await;
    let records = world.hub.list(&gvr("", "configmaps"), Some(SYSTEM), &comity_lane::ListOptions::default()).await.unwrap();
    assert!(comity_federation::tombstones::read_all(&records.items).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_created_again_keeps_the_copy_of_the_first() {
    let (mut world, federated, clusters) = one_is_dead().await;
    delete(&world).await;
    federated.gone("the owner", "shop", "settings").await;
    clusters.object("the member says what is to come", SYSTEM, "cluster2", has_deferred).await;
    world.apply(&config_map(&["cluster1", "cluster2"])).await;
    let owner = federated.object("created again", "shop", "settings", |_| true).await;
    clusters.object("cancelled", SYSTEM, "cluster2", |o| condition::find(o, "DeletionsDeferred").is_none()).await;
    world.clusters[2].start_again().await;
    let copies = world.watch(&world.clusters[2].client(), gvr("", "configmaps"));
    let copy = copies
        .object(
            "the copy with its new owner",
            "shop",
            "settings",
            |copy| matches!(marks::read(copy), marks::Marked::Owned(mark) if mark.owner_uid == object::uid(&owner)),
        )
        .await;
    federated.object("propagated", "shop", "settings", |o| condition::is_true(o, "Propagation")).await;
    let still = world.clusters[2].client().get(&gvr("", "configmaps"), "shop", "settings").await.unwrap().unwrap();
    assert_eq!(object::uid(&still), object::uid(&copy));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unjoined_member_takes_its_tombstones_along() {
    let (world, federated, clusters) = one_is_dead().await;
    delete(&world).await;
    federated.gone("the owner", "shop", "settings").await;
    clusters.object("the member says what is to come", SYSTEM, "cluster2", has_deferred).await;
    let maps = world.watch(&world.hub, gvr("", "configmaps"));
    world.hub.delete(&gvr("core.kubefed.io", "kubefedclusters"), SYSTEM, "cluster2", &DeleteOptions::default()).await.unwrap();
    maps.until("the record is gone", |cache| {
        let all = cache.list_namespace(SYSTEM);
        comity_federation::tombstones::read_all(all.iter().map(|map| &**map)).is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_first_owner_goes_with_the_second_even_when_a_restart_has_forgotten_it() {
    let (mut world, federated, clusters) = one_is_dead().await;
    delete(&world).await;
    federated.gone("the owner", "shop", "settings").await;
    clusters.object("the member says what is to come", SYSTEM, "cluster2", has_deferred).await;
    world.apply(&config_map(&["cluster1", "cluster2"])).await;
    clusters.object("cancelled", SYSTEM, "cluster2", |o| condition::find(o, "DeletionsDeferred").is_none()).await;
    world.restart().await;
    delete(&world).await;
    federated.gone("the second owner", "shop", "settings").await;
    clusters.object("the member says what is to come", SYSTEM, "cluster2", has_deferred).await;
    world.clusters[2].start_again().await;
    let copies = world.watch(&world.clusters[2].client(), gvr("", "configmaps"));
    copies.gone("the copy of the first owner", "shop", "settings").await;
    clusters.object("nothing is to come", SYSTEM, "cluster2", |o| condition::find(o, "DeletionsDeferred").is_none()).await;
}
