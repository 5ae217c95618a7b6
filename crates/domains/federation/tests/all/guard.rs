//! Deletions that are held, shown and let go, over embedded clusters.

use comity_core::{Value, condition, json, object};
use comity_lane::{DeleteOptions, PatchKind};
use comity_testkit::Kind;

use crate::world::{Watched, World, gvr};

const SYSTEM: &str = "kube-federation-system";
const WORD: &str = "comity.dev/allow-deletions";

fn config_map(name: &str, placement: Value) -> Value {
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"data": {"k": "v"}}, "placement": placement},
    })
}

async fn world(members: usize) -> World {
    let world = World::of("", Kind::EmbeddedHub, Kind::Embedded, members).await.unwrap();
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    world
}

async fn annotate(world: &World, group: &str, resource: &str, namespace: &str, name: &str, id: &str) {
    let gvr =
        if group == "apiextensions.k8s.io" { comity_core::GroupVersionResource::new(group, "v1", resource) } else { gvr(group, resource) };
    let word = json!({"metadata": {"annotations": {WORD: id}}});
    world.hub.patch(&gvr, namespace, name, None, PatchKind::Merge, &word, "administrator", false).await.unwrap();
}

fn held<'a>(object: &'a Value, cluster: &str) -> Option<&'a Value> {
    object::items_at(object, &["status", "clusters"]).iter().find(|e| e["name"] == cluster && e["status"] == "DeletionHeld")
}

/// The id that a message names behind the annotation.
fn word_in(message: &str) -> String {
    message.rsplit_once(&format!("{WORD}=")).unwrap().1.to_owned()
}

async fn propagated(federated: &Watched, names: &[String]) {
    federated
        .until("all propagated", |cache| {
            names.iter().all(|n| cache.get("shop", n).is_some_and(|o| condition::is_true(&o, "Propagation"))).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_takes_many_copies_away_is_held_over_a_restart_and_let_go_by_its_id() {
    let mut world = world(2).await;
    let (clusters, federated) = (
        world.watch(&world.hub, gvr("core.kubefed.io", "kubefedclusters")),
        world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps")),
    );
    let copies = world.watch(&world.members[0], gvr("", "configmaps"));
    let label = |value: Value| json!({"metadata": {"labels": {"tier": value}}});
    let relabel = async |world: &World, cluster: &str, value: Value| {
        let gvr = gvr("core.kubefed.io", "kubefedclusters");
        world.hub.patch(&gvr, SYSTEM, cluster, None, PatchKind::Merge, &label(value), "administrator", false).await.unwrap();
    };
    relabel(&world, "cluster1", json!("production")).await;
    relabel(&world, "cluster2", json!("production")).await;
    let names: Vec<String> = (0..25).map(|i| format!("c{i:02}")).collect();
    for name in &names {
        world.apply(&config_map(name, json!({"clusterSelector": {"matchLabels": {"tier": "production"}}}))).await;
    }
    propagated(&federated, &names).await;

    relabel(&world, "cluster1", Value::Null).await;
    let all_held =
        |o: &Value| condition::find(o, "DeletionsHeld").is_some_and(|c| object::str_at(c, &["message"]).contains("25 deletions"));
    let shown = clusters.object("25 held", SYSTEM, "cluster1", all_held).await;
    let message = |o: &Value| object::str_at(condition::find(o, "DeletionsHeld").unwrap(), &["message"]).to_owned();
    assert!(message(&shown).contains("25 TooManyDeletions"), "{}", message(&shown));
    federated
        .until("each object says so", |cache| {
            names.iter().all(|n| cache.get("shop", n).is_some_and(|o| held(&o, "cluster1").is_some())).then_some(())
        })
        .await;
    assert_eq!(copies.cache.list_namespace("shop").len(), 25, "nothing went");

    // a restart opens nothing; what is shown is the same
    world.restart().await;
    world.apply(&config_map("later", json!({"clusters": [{"name": "cluster1"}, {"name": "cluster2"}]}))).await;
    propagated(&federated, &["later".to_owned()]).await;
    world.apply(&config_map("later", json!({"clusters": [{"name": "cluster2"}]}))).await;
    federated.object("a later one is held too", "shop", "later", |o| held(o, "cluster1").is_some()).await;
    let shown = clusters
        .object("26 held", SYSTEM, "cluster1", |o| {
            condition::find(o, "DeletionsHeld").is_some_and(|c| object::str_at(c, &["message"]).contains("26 deletions"))
        })
        .await;
    assert_eq!(copies.cache.list_namespace("shop").len(), 26, "nothing went");

    annotate(&world, "core.kubefed.io", "kubefedclusters", SYSTEM, "cluster1", &word_in(&message(&shown))).await;
    copies.until("they went", |cache| cache.list_namespace("shop").is_empty().then_some(())).await;
    clusters.object("nothing is held", SYSTEM, "cluster1", |o| condition::find(o, "DeletionsHeld").is_none()).await;
    propagated(&federated, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_keeps_its_copies_until_somebody_says_otherwise() {
    let world = world(1).await;
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let (namespaces, copies) = (world.watch(&world.hub, gvr("", "namespaces")), world.watch(&world.members[0], gvr("", "configmaps")));
    world.apply(&config_map("settings", json!({"clusterSelector": {}}))).await;
    propagated(&federated, &["settings".to_owned()]).await;
    world.hub.delete(&gvr("", "namespaces"), "", "shop", &DeleteOptions::default()).await.unwrap();
    let status = federated.object("held", "shop", "settings", |o| held(o, "cluster1").is_some()).await;
    let entry = held(&status, "cluster1").unwrap();
    assert_eq!(entry["reason"], "NamespaceDeleted");
    assert!(copies.cache.get("shop", "settings").is_some_and(|copy| !object::is_deleting(&copy)));
    annotate(&world, "", "namespaces", "", "shop", "something-else").await;
    annotate(&world, "", "namespaces", "", "shop", &word_in(entry["message"].as_str().unwrap())).await;
    copies.gone("the copy", "shop", "settings").await;
    namespaces.gone("the namespace", "", "shop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_definition_keeps_its_copies_and_a_deleted_type_configuration_deletes_nothing() {
    let world = world(1).await;
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let configs = world.watch(&world.hub, gvr("core.kubefed.io", "federatedtypeconfigs"));
    let copies = world.watch(&world.members[0], gvr("", "configmaps"));
    world.apply(&config_map("settings", json!({"clusterSelector": {}}))).await;
    propagated(&federated, &["settings".to_owned()]).await;
    let type_config = configs.cache.get(SYSTEM, "configmaps").unwrap();
    world.hub.delete(&gvr("core.kubefed.io", "federatedtypeconfigs"), SYSTEM, "configmaps", &DeleteOptions::default()).await.unwrap();
    configs.gone("the type configuration", SYSTEM, "configmaps").await;
    let mut again = json!({"apiVersion": "core.kubefed.io/v1beta1", "kind": "FederatedTypeConfig", "spec": type_config["spec"]});
    again["metadata"] = json!({"name": "configmaps", "namespace": SYSTEM});
    world.hub.create(&gvr("core.kubefed.io", "federatedtypeconfigs"), SYSTEM, &again, "test").await.unwrap();
    let definitions = comity_core::GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    world.hub.delete(&definitions, "", "federatedconfigmaps.types.kubefed.io", &DeleteOptions::default()).await.unwrap();
    let status = federated.object("held", "shop", "settings", |o| held(o, "cluster1").is_some()).await;
    let entry = held(&status, "cluster1").unwrap();
    assert_eq!(entry["reason"], "TypeDeleted");
    assert!(copies.cache.get("shop", "settings").is_some_and(|copy| !object::is_deleting(&copy)));
    let id = word_in(entry["message"].as_str().unwrap());
    annotate(&world, "apiextensions.k8s.io", "customresourcedefinitions", "", "federatedconfigmaps.types.kubefed.io", &id).await;
    copies.gone("the copy", "shop", "settings").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_copy_of_an_object_goes_by_a_word_on_the_object() {
    let world = world(3).await;
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let copies: Vec<Watched> = world.members.iter().map(|m| world.watch(m, gvr("", "configmaps"))).collect();
    world.apply(&config_map("settings", json!({"clusterSelector": {}}))).await;
    propagated(&federated, &["settings".to_owned()]).await;
    // one of three may go, and a copy moves without a word
    world.apply(&config_map("settings", json!({"clusters": [{"name": "cluster2"}, {"name": "cluster3"}]}))).await;
    copies[0].gone("one of three", "shop", "settings").await;
    world.apply(&config_map("settings", json!({"clusters": []}))).await;
    let status = federated.object("held", "shop", "settings", |o| held(o, "cluster2").is_some() && held(o, "cluster3").is_some()).await;
    assert!(copies[1].cache.get("shop", "settings").is_some() && copies[2].cache.get("shop", "settings").is_some());
    let id = word_in(held(&status, "cluster2").unwrap()["message"].as_str().unwrap());
    annotate(&world, "types.kubefed.io", "federatedconfigmaps", "shop", "settings", &id).await;
    copies[1].gone("the second", "shop", "settings").await;
    copies[2].gone("the last", "shop", "settings").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_lost_its_objects_deletes_nothing() {
    let mut world = world(1).await;
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let copies = world.watch(&world.members[0], gvr("", "configmaps"));
    let names: Vec<String> = (0..5).map(|i| format!("c{i}")).collect();
    for name in &names {
        world.apply(&config_map(name, json!({"clusterSelector": {}}))).await;
    }
    propagated(&federated, &names).await;
    world.stop().await;
    for name in &names {
        let resource = gvr("types.kubefed.io", "federatedconfigmaps");
        let free = json!({"metadata": {"finalizers": null}});
        world.hub.patch(&resource, "shop", name, None, PatchKind::Merge, &free, "disaster", false).await.unwrap();
        world.hub.delete(&resource, "shop", name, &DeleteOptions::default()).await.unwrap();
    }
    world.restart().await;
    world.apply(&config_map("new", json!({"clusterSelector": {}}))).await;
    propagated(&federated, &["new".to_owned()]).await;
    assert_eq!(copies.cache.list_namespace("shop").len(), 6);
}

/// How many deletions the record on the hub has counted for a member.
async fn recorded(world: &World, cluster: &Value) -> usize {
    let record = world.hub.get(&gvr("", "configmaps"), SYSTEM, "comity-deletions").await.unwrap().unwrap_or_default();
    let day = object::str_at(&record, &["data", object::uid(cluster)]).to_owned();
    day.split_whitespace().map(|slice| slice.rsplit_once(':').unwrap().1.parse::<usize>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_went_is_in_the_record_whenever_the_hub_is_killed() {
    let mut world = world(2).await;
    let (clusters, federated) = (
        world.watch(&world.hub, gvr("core.kubefed.io", "kubefedclusters")),
        world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps")),
    );
    let copies = world.watch(&world.members[0], gvr("", "configmaps"));
    let names: Vec<String> = (0..7).map(|i| format!("c{i}")).collect();
    for name in &names {
        world.apply(&config_map(name, json!({"clusterSelector": {}}))).await;
    }
    propagated(&federated, &names).await;
    let cluster = clusters.object("the cluster", SYSTEM, "cluster1", |_| true).await;
    for (went, name) in names.iter().enumerate() {
        world.apply(&config_map(name, json!({"clusters": [{"name": "cluster2"}]}))).await;
        copies.gone("the copy", "shop", name).await;
        // as a kill finds it
        let counted = recorded(&world, &cluster).await;
        assert!(counted > went && counted <= went + 1 + 8, "{} went, {counted} are recorded", went + 1);
    }
    propagated(&federated, &names).await;
    world.restart().await;
    assert_eq!(recorded(&world, &cluster).await, names.len(), "what was not used was given back");
}
