//! One hub, two members: the same scenarios over embedded clusters and over real control planes.

use crate::world::{self, World, apply, gvr};
use comity_core::{Value, condition, json, object};
use comity_lane::{DeleteOptions, PatchKind};

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
    a_deployment_goes_and_leaves(World::embedded(2).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_to_real_clusters_is_kept_there_and_leaves_them() {
    let Some(world) = World::real("federation over real control planes", 2).await else { return };
    a_deployment_goes_and_leaves(world).await;
}

async fn a_deployment_goes_and_leaves(world: World) {
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federateddeployments"));
    let copies: Vec<_> = world.members.iter().map(|m| world.watch(m, gvr("apps", "deployments"))).collect();
    namespace(&world, "production").await;
    world.apply(&deployment()).await;
    for (copy, replicas) in copies.iter().zip([5, 3]) {
        copy.object("the copy with its replicas", "production", "webapp", |o| o["spec"]["replicas"] == replicas).await;
    }
    let status = federated
        .object("the status of both clusters", "production", "webapp", |o| {
            entry(o, "cluster3").is_some_and(|e| e["status"] == "ClusterNotJoined")
                && entry(o, "cluster1").is_some_and(|e| e.get("status").is_none())
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
        let answer =
            world.members[0].patch(&deployments, "production", "webapp", subresource, kind, &edit, "somebody", false).await.unwrap();
        let edited: u64 = object::resource_version(&answer).parse().unwrap();
        copies[0]
            .object("the repair", "production", "webapp", |o| {
                o["spec"] == before["spec"]
                    && o["metadata"]["labels"] == before["metadata"]["labels"]
                    && object::resource_version(o).parse::<u64>().unwrap() > edited
            })
            .await;
    }
    world.members[0].delete(&deployments, "production", "webapp", &DeleteOptions::default()).await.unwrap();
    copies[0].object("the copy again", "production", "webapp", |o| object::uid(o) != object::uid(&before)).await;
}

async fn keeps_what_others_add(world: &World, copies: &[world::Watched]) {
    let edit = json!({"metadata": {"labels": {"added": "here"}, "annotations": {"note": "x"}}, "spec": {"minReadySeconds": 7}});
    world.members[0]
        .patch(&gvr("apps", "deployments"), "production", "webapp", None, PatchKind::Merge, &edit, "somebody", false)
        .await
        .unwrap();
    // a repair of something else leaves the additions alone
    let stolen = json!({"spec": {"replicas": 2}});
    world.members[0]
        .patch(&gvr("apps", "deployments"), "production", "webapp", None, PatchKind::Merge, &stolen, "somebody", false)
        .await
        .unwrap();
    let copy = copies[0]
        .object("repaired replicas", "production", "webapp", |o| o["spec"]["replicas"] == 5 && o["spec"]["minReadySeconds"] == 7)
        .await;
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

fn federated(kind: &str, name: &str, template: Value, clusters: &[&str]) -> Value {
    let clusters: Vec<Value> = clusters.iter().map(|c| json!({"name": c})).collect();
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": format!("Federated{kind}"), "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": template, "placement": {"clusters": clusters}},
    })
}

fn config_map(name: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": {"k": text}})
}

fn says(federated: &Value, cluster: &str, status: &str) -> bool {
    entry(federated, cluster).is_some_and(|e| object::str_at(e, &["status"]) == status)
}

#[tokio::test(flavor = "multi_thread")]
async fn members_differ_return_leave_and_die_without_harm() {
    members_differ_return_leave_and_die(World::embedded(2).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_members_differ_return_leave_and_die_without_harm() {
    let Some(world) = World::real("federation over real control planes", 2).await else { return };
    members_differ_return_leave_and_die(world).await;
}

async fn members_differ_return_leave_and_die(mut world: World) {
    namespace(&world, "shop").await;
    every_type_that_ships_travels(&world).await;
    existing_objects(&world).await;
    kinds_that_only_some_members_serve(&world).await;
    a_service_keeps_what_its_member_assigned(&world).await;
    a_restart_writes_nothing(&mut world).await;
    an_unjoined_member_keeps_its_copies(&world).await;
    a_dead_member_delays_only_itself(&mut world).await;
}

async fn every_type_that_ships_travels(world: &World) {
    namespace(world, "all").await;
    let pod = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let mut always = pod.clone();
    object::remove(&mut always, &["spec", "restartPolicy"]);
    let selector = json!({"matchLabels": {"a": "b"}});
    let rule =
        json!({"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}});
    let templates = [
        ("Namespace", json!({"metadata": {"labels": {"x": "y"}}})),
        ("ClusterRole", json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]})),
        ("ConfigMap", json!({"data": {"k": "v"}})),
        ("Deployment", json!({"spec": {"replicas": 1, "selector": selector, "template": always}})),
        ("Ingress", json!({"spec": {"rules": [rule]}})),
        ("Job", json!({"spec": {"template": pod}})),
        ("ReplicaSet", json!({"spec": {"replicas": 1, "selector": selector, "template": always}})),
        ("Secret", json!({"stringData": {"k": "v"}})),
        ("ServiceAccount", json!({"automountServiceAccountToken": false})),
        ("Service", json!({"spec": {"ports": [{"port": 80}]}})),
    ];
    let everywhere = json!({"clusters": [{"name": "cluster1"}, {"name": "cluster2"}]});
    let resource = |kind: &str| gvr("types.kubefed.io", &comity_api_kubefed::type_config::plural_of(&format!("Federated{kind}")));
    for (kind, template) in &templates {
        let name = if *kind == "Namespace" { "all" } else { "one" };
        let mut object = json!({"apiVersion": "types.kubefed.io/v1beta1", "kind": format!("Federated{kind}"), "metadata": {"name": name, "namespace": "all"},
            "spec": {"template": template, "placement": everywhere}});
        if *kind == "ClusterRole" {
            object::remove(&mut object, &["metadata", "namespace"]);
        }
        world.apply(&object).await;
    }
    for (kind, _) in &templates {
        let watched = world.watch(&world.hub, resource(kind));
        watched.until(kind, |cache| cache.list().iter().any(|o| condition::is_true(o, "Propagation")).then_some(())).await;
    }
    let secret = world.members[1].get(&gvr("", "secrets"), "all", "one").await.unwrap().unwrap();
    assert_eq!(secret["data"]["k"], "dg==");
    // what is in the namespace first, then the namespace
    for (kind, _) in templates.iter().rev() {
        let (namespace, name) = match *kind {
            "ClusterRole" => ("", "one"),
            "Namespace" => ("all", "all"),
            _ => ("all", "one"),
        };
        world.hub.delete(&resource(kind), namespace, name, &DeleteOptions::default()).await.unwrap();
        if *kind != "Namespace" {
            world.watch(&world.hub, resource(kind)).gone(kind, namespace, name).await;
        }
    }
    let namespaces = world.watch(&world.members[1], gvr("", "namespaces"));
    // nobody finalizes namespaces in a control plane without controllers
    namespaces.object("the namespace is going", "", "all", object::is_deleting).await;
}

/// Adoption, and the label that forbids it.
async fn existing_objects(world: &World) {
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let member = &world.members[0];
    apply(member, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    let maps = gvr("", "configmaps");
    member.create(&maps, "shop", &config_map("adopted", "old"), "kubectl-create").await.unwrap();
    let mut forbidden = config_map("forbidden", "old");
    object::set(&mut forbidden, &["metadata", "labels", "kubefed.io/managed"], "false".into());
    member.create(&maps, "shop", &forbidden, "kubectl-create").await.unwrap();
    for name in ["adopted", "forbidden", "left"] {
        let mut object = federated("ConfigMap", name, json!({"data": {"k": "new"}}), &["cluster1"]);
        if name == "left" {
            member.create(&maps, "shop", &config_map("left", "old"), "kubectl-create").await.unwrap();
            object::set(&mut object, &["metadata", "annotations", "comity.dev/adopt"], "Abort".into());
        }
        world.apply(&object).await;
    }
    status.object("adoption", "shop", "adopted", |o| condition::is_true(o, "Propagation")).await;
    status.object("the forbidding label", "shop", "forbidden", |o| says(o, "cluster1", "ManagedLabelFalse")).await;
    status.object("no adoption", "shop", "left", |o| says(o, "cluster1", "AlreadyExists")).await;
    let text = async |name| member.get(&maps, "shop", name).await.unwrap().unwrap()["data"]["k"].clone();
    assert_eq!((text("adopted").await, text("forbidden").await, text("left").await), (json!("new"), json!("old"), json!("old")));
    // what an adopted object no longer names leaves it: the earlier manager's fields were taken over
    world.apply(&federated("ConfigMap", "adopted", json!({"data": {"other": "x"}}), &["cluster1"])).await;
    let copies = world.watch(member, maps);
    copies.object("the key is gone", "shop", "adopted", |o| o["data"] == json!({"other": "x"})).await;
}

async fn kinds_that_only_some_members_serve(world: &World) {
    let thing = |group: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("things.{group}")},
            "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
        })
    };
    let target = comity_api_kubefed::ApiResource::new("example.com", "v1", "Thing", "things", true);
    let config = comity_api_kubefed::FederatedTypeConfig::for_target(target, "types.kubefed.io", "v1beta1");
    apply(&world.members[0], &thing("example.com")).await;
    apply(&world.hub, &comity_api_kubefed::crds::federated_crd(&config, &Default::default())).await;
    apply(&world.hub, &config.to_value()).await;
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federatedthings"));
    status.until("the new kind is served", |cache| cache.is_synced().then_some(())).await;
    world.apply(&federated("Thing", "one", json!({"spec": {"size": 1}}), &["cluster1", "cluster2"])).await;
    status.object("a cluster without the kind", "shop", "one", |o| says(o, "cluster2", "APINotEnabled") && says(o, "cluster1", "")).await;
    apply(&world.members[1], &thing("example.com")).await;
    status.object("the kind arrives", "shop", "one", |o| condition::is_true(o, "Propagation")).await;
}

async fn a_service_keeps_what_its_member_assigned(world: &World) {
    let template = json!({"spec": {"type": "NodePort", "selector": {"app": "webapp"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    world.apply(&federated("Service", "webapp", template.clone(), &["cluster1", "cluster2"])).await;
    let copies = world.watch(&world.members[1], gvr("", "services"));
    let before = copies.object("the service", "shop", "webapp", |o| o["spec"]["ports"][0]["nodePort"].is_u64()).await;
    let mut changed = template;
    changed["spec"]["selector"]["tier"] = json!("front");
    world.apply(&federated("Service", "webapp", changed, &["cluster1", "cluster2"])).await;
    let after = copies.object("the new selector", "shop", "webapp", |o| o["spec"]["selector"]["tier"] == "front").await;
    for path in ["/spec/clusterIP", "/spec/ports"] {
        assert_eq!(before.pointer(path), after.pointer(path));
    }
}

async fn a_restart_writes_nothing(world: &mut World) {
    let maps: Vec<_> = world.members.iter().map(|m| world.watch(m, gvr("", "configmaps"))).collect();
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    for index in 0..20 {
        world.apply(&federated("ConfigMap", &format!("c{index}"), json!({"data": {"k": "v"}}), &["cluster1", "cluster2"])).await;
    }
    let all = |what: &str| {
        let what = what.to_owned();
        let status = &status;
        async move {
            status
                .until(&what, |cache| {
                    let done = (0..20).all(|i| cache.get("shop", &format!("c{i}")).is_some_and(|o| condition::is_true(&o, "Propagation")));
                    done.then_some(())
                })
                .await;
        }
    };
    all("twenty propagated").await;
    for (watched, cluster) in maps.iter().zip(["cluster1", "cluster2"]) {
        let present = |cache: &comity_lane::Cache| (0..20).all(|i| cache.get("shop", &format!("c{i}")).is_some());
        watched.until(cluster, |cache| present(cache).then_some(())).await;
    }
    let versions = |watched: &[world::Watched]| -> Vec<String> {
        watched
            .iter()
            .flat_map(|w| w.cache.list_namespace("shop"))
            .map(|o| format!("{} {}", object::name(&o), object::resource_version(&o)))
            .collect()
    };
    let before = (versions(&maps), status.cache.list().iter().map(|o| object::resource_version(o).to_owned()).collect::<Vec<_>>());
    world.restart().await;
    // a change after the restart is acted on after everything before it was looked at once
    world.apply(&federated("ConfigMap", "last", json!({"data": {"k": "v"}}), &["cluster1", "cluster2"])).await;
    status.object("the last one", "shop", "last", |o| condition::is_true(o, "Propagation")).await;
    world.hub.delete(&gvr("types.kubefed.io", "federatedconfigmaps"), "shop", "last", &DeleteOptions::default()).await.unwrap();
    status.gone("the last one again", "shop", "last").await;
    maps[1].gone("its copy", "shop", "last").await;
    maps[0].gone("its copy", "shop", "last").await;
    let after = (versions(&maps), status.cache.list().iter().map(|o| object::resource_version(o).to_owned()).collect::<Vec<_>>());
    assert_eq!(before, after);
}

async fn an_unjoined_member_keeps_its_copies(world: &World) {
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    world
        .hub
        .delete(&gvr("core.kubefed.io", "kubefedclusters"), "kube-federation-system", "cluster2", &DeleteOptions::default())
        .await
        .unwrap();
    status.object("no longer joined", "shop", "c0", |o| says(o, "cluster2", "ClusterNotJoined")).await;
    assert!(world.members[1].get(&gvr("", "configmaps"), "shop", "c0").await.unwrap().is_some());
    world.hub.delete(&gvr("", "secrets"), "kube-federation-system", "cluster2", &DeleteOptions::default()).await.unwrap();
    world.join(1).await;
    status.object("joined again", "shop", "c0", |o| condition::is_true(o, "Propagation")).await;
}

async fn a_dead_member_delays_only_itself(world: &mut World) {
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let clusters = world.watch(&world.hub, gvr("core.kubefed.io", "kubefedclusters"));
    let copies = world.watch(&world.members[0], gvr("", "configmaps"));
    world.kill(1).await;
    world.apply(&federated("ConfigMap", "c0", json!({"data": {"k": "while one is dead"}}), &["cluster1", "cluster2"])).await;
    copies.object("the living one is written", "shop", "c0", |o| o["data"]["k"] == "while one is dead").await;
    clusters
        .object("the dead one is reported", "kube-federation-system", "cluster2", |o| {
            condition::is_true(o, "Offline") && condition::find(o, "Ready").is_none()
        })
        .await;
    status.object("and named", "shop", "c0", |o| says(o, "cluster1", "") && says(o, "cluster2", "ClusterNotReady")).await;
    // deletion waits for it, visibly
    world.hub.delete(&gvr("types.kubefed.io", "federatedconfigmaps"), "shop", "c0", &DeleteOptions::default()).await.unwrap();
    copies.gone("the living one's copy", "shop", "c0").await;
    status
        .object("the wait", "shop", "c0", |o| {
            object::is_deleting(o) && says(o, "cluster2", "ClusterNotReady") && entry(o, "cluster1").is_none()
        })
        .await;
}
