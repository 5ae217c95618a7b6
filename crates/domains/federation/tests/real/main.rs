//! Federation over real control planes: one hub, two members.

mod world;

use comity_core::{Value, condition, json, object};
use comity_lane::{DeleteOptions, PatchKind};
use world::{World, apply, gvr};

/// Manifest 01 of the tutorial, placed on three clusters of which two are joined.
fn deployment() -> Value {
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedDeployment", "metadata": {"name": "webapp", "namespace": "production"},
        "spec": {
            "template": {"metadata": {"labels": {"app": "webapp"}}, "spec": {
                "replicas": 3, "selector": {"matchLabels": {"app": "webapp"}},
                "template": {"metadata": {"labels": {"app": "webapp"}}, "spec": {"containers": [
                    {"name": "webapp", "image": "myapp:v1.0", "ports": [{"containerPort": 8080}]}]}}}},
            "placement": {"clusters": [{"name": "cluster1"}, {"name": "cluster2"}, {"name": "cluster3"}]},
            "overrides": [
                {"clusterName": "cluster1", "clusterOverrides": [{"path": "/spec/replicas", "value": 5}]},
                {"clusterName": "cluster2", "clusterOverrides": [{"path": "/spec/replicas", "value": 3}]}],
        },
    })
}

async fn namespace(world: &World, name: &str) {
    apply(&world.hub, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": "web"}}})).await;
}

fn entry<'a>(federated: &'a Value, cluster: &str) -> Option<&'a Value> {
    object::items_at(federated, &["status", "clusters"]).iter().find(|e| e["name"] == cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_to_its_clusters_is_kept_there_and_leaves_them() {
    let Some(world) = World::start("federation over real control planes", 2).await else { return };
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federateddeployments"));
    let copies: Vec<_> = world.members.iter().map(|m| world.watch(m, gvr("apps", "deployments"))).collect();
    namespace(&world, "production").await;
    let started = std::time::Instant::now();
    world.apply(&deployment()).await;
    for (copy, replicas) in copies.iter().zip([5, 3]) {
        copy.object("the copy with its replicas", "production", "webapp", |o| o["spec"]["replicas"] == replicas).await;
    }
    println!("all copies exist after {:?}", started.elapsed());
    let status = federated
        .object("the status of both clusters", "production", "webapp", |o| {
            entry(o, "cluster3").is_some_and(|e| e["status"] == "ClusterNotJoined") && entry(o, "cluster1").is_some_and(|e| e.get("status").is_none())
        })
        .await;
    assert_eq!(condition::find(&status, "Propagation").unwrap()["reason"], "CheckClusters");
    assert_eq!(status["status"]["summary"]["clusters"], "2/3");

    repairs(&world, &copies).await;
    keeps_what_others_add(&world, &copies).await;
    changes_exactly_the_difference(&world, &copies).await;

    // two clusters, both as they should be
    let mut changed = deployment();
    changed["spec"]["placement"]["clusters"] = json!([{"name": "cluster1"}, {"name": "cluster2"}]);
    world.apply(&changed).await;
    federated.object("Propagation", "production", "webapp", |o| condition::is_true(o, "Propagation")).await;

    changed["spec"]["placement"]["clusters"] = json!([{"name": "cluster1"}]);
    world.apply(&changed).await;
    copies[1].gone("the copy that is no longer placed", "production", "webapp").await;
    assert!(copies[0].cache.get("production", "webapp").is_some());

    world.hub.delete(&gvr("types.kubefed.io", "federateddeployments"), "production", "webapp", &DeleteOptions::default()).await.unwrap();
    copies[0].gone("the last copy", "production", "webapp").await;
    federated.gone("the federated object", "production", "webapp").await;
}

/// Edits, scaling, labels and deletion behind Comity's back.
async fn repairs(world: &World, copies: &[world::Watched]) {
    let deployments = gvr("apps", "deployments");
    let before = copies[0].cache.get("production", "webapp").unwrap();
    let edits = [
        (None, json!({"spec": {"template": {"spec": {"containers": [{"name": "webapp", "image": "other:v9"}]}}}})),
        (Some("scale"), json!({"spec": {"replicas": 1}})),
        (None, json!({"metadata": {"labels": {"app": "stolen"}}})),
        (None, json!({"metadata": {"labels": {"kubefed.io/managed": null}}})),
    ];
    for (subresource, edit) in edits {
        let kind = if subresource.is_some() { PatchKind::Merge } else { PatchKind::Strategic };
        let started = std::time::Instant::now();
        let answer = world.members[0].patch(&deployments, "production", "webapp", subresource, kind, &edit, "somebody", false).await.unwrap();
        let edited: u64 = object::resource_version(&answer).parse().unwrap();
        copies[0]
            .object("the repair", "production", "webapp", |o| {
                o["spec"] == before["spec"] && o["metadata"]["labels"] == before["metadata"]["labels"] && object::resource_version(o).parse::<u64>().unwrap() > edited
            })
            .await;
        println!("{edit} repaired after {:?}", started.elapsed());
    }
    world.members[0].delete(&deployments, "production", "webapp", &DeleteOptions::default()).await.unwrap();
    copies[0].object("the copy again", "production", "webapp", |o| object::uid(o) != object::uid(&before)).await;
}

async fn keeps_what_others_add(world: &World, copies: &[world::Watched]) {
    let edit = json!({"metadata": {"labels": {"added": "here"}, "annotations": {"note": "x"}}, "spec": {"minReadySeconds": 7}});
    world.members[0].patch(&gvr("apps", "deployments"), "production", "webapp", None, PatchKind::Merge, &edit, "somebody", false).await.unwrap();
    // a repair of something else leaves the additions alone
    let stolen = json!({"spec": {"replicas": 2}});
    world.members[0].patch(&gvr("apps", "deployments"), "production", "webapp", None, PatchKind::Merge, &stolen, "somebody", false).await.unwrap();
    let copy = copies[0].object("repaired replicas", "production", "webapp", |o| o["spec"]["replicas"] == 5 && o["spec"]["minReadySeconds"] == 7).await;
    assert_eq!(object::label(&copy, "added"), Some("here"));
    assert_eq!(object::annotation(&copy, "note"), Some("x"));
}

async fn changes_exactly_the_difference(world: &World, copies: &[world::Watched]) {
    let before: Vec<_> = copies.iter().map(|c| c.cache.get("production", "webapp").unwrap()).collect();
    let mut changed = deployment();
    changed["spec"]["overrides"][0]["clusterOverrides"][0]["value"] = json!(6);
    world.apply(&changed).await;
    copies[0].object("six replicas", "production", "webapp", |o| o["spec"]["replicas"] == 6).await;
    let now = world.members[1].get(&gvr("apps", "deployments"), "production", "webapp").await.unwrap().unwrap();
    assert_eq!(object::resource_version(&now), object::resource_version(&before[1]), "cluster2 was not concerned");
}
