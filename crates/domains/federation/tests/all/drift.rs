//! Others write to the copies: autoscalers, people, controllers that fight, and what they add.

use std::time::{Duration, Instant};

use comity_core::{Value, condition, json, object};
use comity_lane::{DeleteOptions, PatchKind};

use crate::world::{Watched, World, apply, gvr};

#[tokio::test(flavor = "multi_thread")]
async fn others_write_to_the_copies_of_an_embedded_member() {
    scenarios(&World::embedded(1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_write_to_the_copies_of_a_real_member() {
    let Some(world) = World::real("drift in a real member", 1).await else { return };
    scenarios(&world).await;
}

async fn scenarios(world: &World) {
    apply(&world.hub, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drift"}})).await;
    an_autoscaler_keeps_its_replicas_until_it_goes(world).await;
    a_person_is_repaired_at_once_ten_times(world).await;
    a_controller_that_fights_is_damped_and_named(world).await;
    what_others_add_to_a_workload_is_told_or_removed(world).await;
    rights_and_openings_that_others_add_are_removed(world).await;
}

pub fn federated(kind: &str, name: &str, template: Value) -> Value {
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": format!("Federated{kind}"), "metadata": {"name": name, "namespace": "drift"},
        "spec": {"template": template, "placement": {"clusters": [{"name": "cluster1"}]}},
    })
}

pub fn workload(replicas: i64) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}})
}

fn entry(federated: &Value) -> &Value {
    object::items_at(federated, &["status", "clusters"]).first().unwrap_or(&Value::Null)
}

async fn edit(world: &World, group: &str, resource: &str, name: &str, manager: &str, patch: Value) -> u64 {
    let namespace = if resource.starts_with("clusterrole") { "" } else { "drift" };
    let answer = world.members[0].patch(&gvr(group, resource), namespace, name, None, PatchKind::Merge, &patch, manager, false).await;
    revision(&answer.unwrap())
}

async fn scale(world: &World, replicas: i64) {
    let patch = json!({"spec": {"replicas": replicas}});
    let (deployments, kind) = (gvr("apps", "deployments"), PatchKind::Merge);
    world.members[0].patch(&deployments, "drift", "scaled", Some("scale"), kind, &patch, "kube-controller-manager", false).await.unwrap();
}

async fn an_autoscaler_keeps_its_replicas_until_it_goes(world: &World) {
    let copies = world.watch(&world.members[0], gvr("apps", "deployments"));
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federateddeployments"));
    let mut wanted = federated("Deployment", "scaled", workload(3));
    wanted["spec"]["overrides"] = json!([{"clusterName": "cluster1", "clusterOverrides": [{"path": "/spec/replicas", "value": 5}]}]);
    world.apply(&wanted).await;
    copies.object("the replicas of the override", "drift", "scaled", |o| o["spec"]["replicas"] == 5).await;

    let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "by-load", "namespace": "drift"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}, "minReplicas": 1, "maxReplicas": 10}});
    let autoscalers = comity_core::GroupVersionResource::new("autoscaling", "v2", "horizontalpodautoscalers");
    world.members[0].create(&autoscalers, "drift", &autoscaler, "kubectl-create").await.unwrap();
    let seen = status
        .object("that replicas are left to it", "drift", "scaled", |o| {
            entry(o)["reason"] == "ReplicasRetained" && entry(o).get("status").is_none()
        })
        .await;
    assert_eq!(entry(&seen)["message"], "spec.replicas is left to the HorizontalPodAutoscaler \"by-load\"");
    assert_eq!(copies.cache.get("drift", "scaled").unwrap()["spec"]["replicas"], 5, "the live value does not fall back on the way");

    // the autoscaler's controller scales; a change of the template afterwards leaves its number alone
    for replicas in [7, 2] {
        scale(world, replicas).await;
        status.object("the live number", "drift", "scaled", |o| entry(o)["replicas"] == replicas).await;
        wanted["spec"]["template"]["metadata"]["labels"]["round"] = json!(format!("r{replicas}"));
        world.apply(&wanted).await;
        let label = format!("r{replicas}");
        let copy = copies.object("the new label", "drift", "scaled", |o| object::label(o, "round") == Some(label.as_str())).await;
        assert_eq!(copy["spec"]["replicas"], replicas);
    }

    world.members[0].delete(&autoscalers, "drift", "by-load", &DeleteOptions::default()).await.unwrap();
    copies.object("the override's replicas again", "drift", "scaled", |o| o["spec"]["replicas"] == 5).await;
    status.object("nothing more to tell", "drift", "scaled", |o| entry(o).get("reason").is_none()).await;
}

async fn a_person_is_repaired_at_once_ten_times(world: &World) {
    let copies = world.watch(&world.members[0], gvr("", "configmaps"));
    world.apply(&federated("ConfigMap", "edited", json!({"data": {"k": "ours"}}))).await;
    copies.object("the copy", "drift", "edited", |_| true).await;
    let begin = Instant::now();
    for round in 0..10 {
        let edited = edit(world, "", "configmaps", "edited", "kubectl-edit", json!({"data": {"k": format!("theirs {round}")}})).await;
        copies.object("the repair", "drift", "edited", |o| o["data"]["k"] == "ours" && revision(o) > edited).await;
    }
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "ten repairs took {:?}: damped repairs of a controller would take 31 s",
        begin.elapsed()
    );
}

fn revision(object: &Value) -> u64 {
    object::resource_version(object).parse().unwrap()
}

async fn a_controller_that_fights_is_damped_and_named(world: &World) {
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    world.apply(&federated("ConfigMap", "contested", json!({"data": {"k": "ours"}}))).await;
    let member = world.members[0].clone();
    let copies = world.watch(&member, gvr("", "configmaps"));
    copies.object("the copy", "drift", "contested", |_| true).await;
    let stubborn = tokio::spawn(async move {
        let mut last = 0;
        // five changes, the contest, and two more rounds of it
        for _ in 0..7 {
            copies.object("our value", "drift", "contested", |o| o["data"]["k"] == "ours" && revision(o) > last).await;
            let (patch, kind) = (json!({"data": {"k": "theirs"}}), PatchKind::Merge);
            let maps = gvr("", "configmaps");
            let written = member.patch(&maps, "drift", "contested", None, kind, &patch, "stubborn-controller", false).await.unwrap();
            last = revision(&written);
        }
        (copies, Instant::now(), last)
    });
    let seen = status.object("the contest", "drift", "contested", |o| condition::is_true(o, "Contested")).await;
    let message = object::str_at(condition::find(&seen, "Contested").unwrap(), &["message"]);
    assert!(message.contains("\"stubborn-controller\"") && message.contains("data.k"), "{message}");
    let (copies, ended, last) = stubborn.await.unwrap();
    copies.object("the last repair, after its pause", "drift", "contested", |o| o["data"]["k"] == "ours" && revision(o) > last).await;
    assert!(ended.elapsed() > Duration::from_millis(1500), "the second pause is two seconds; it was {:?}", ended.elapsed());
    // what the user wants otherwise is written at once
    world.apply(&federated("ConfigMap", "contested", json!({"data": {"k": "new"}}))).await;
    copies.object("the user's edit", "drift", "contested", |o| o["data"]["k"] == "new").await;
}

async fn what_others_add_to_a_workload_is_told_or_removed(world: &World) {
    let copies = world.watch(&world.members[0], gvr("apps", "deployments"));
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federateddeployments"));
    let mut wanted = federated("Deployment", "added", workload(0));
    world.apply(&wanted).await;
    copies.object("the copy", "drift", "added", |_| true).await;
    edit(world, "apps", "deployments", "added", "kubectl-label", json!({"metadata": {"labels": {"team": "payments"}}})).await;
    let seen = status.object("the label", "drift", "added", |o| condition::is_true(o, "Augmented")).await;
    assert_eq!(entry(&seen)["message"], "others added metadata.labels.team (kubectl-label)");
    assert!(condition::is_true(&seen, "Propagation"));

    let sidecar = async || {
        let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "miner", "image": "miner:1"}]}}}});
        let kind = PatchKind::Strategic;
        world.members[0].patch(&gvr("apps", "deployments"), "drift", "added", None, kind, &patch, "kubectl-patch", false).await.unwrap()
    };
    let names = |o: &Value| -> Vec<String> {
        let containers = object::items_at(o, &["spec", "template", "spec", "containers"]).iter();
        containers.map(|c| object::str_at(c, &["name"]).to_owned()).collect()
    };
    let with = sidecar().await;
    assert_eq!(names(&with).len(), 2);
    let newer = |o: &Value| object::generation(o) > object::generation(&with);
    let copy = copies.object("no second container", "drift", "added", |o| newer(o) && names(o) == ["web"]).await;
    assert_eq!(object::label(&copy, "team"), Some("payments"));

    object::set(&mut wanted, &["metadata", "annotations", "comity.dev/additions"], "Keep".into());
    world.apply(&wanted).await;
    status.object("the annotation is acted on", "drift", "added", |o| object::annotation(o, "comity.dev/additions").is_some()).await;
    sidecar().await;
    status
        .object("the container is told", "drift", "added", |o| object::str_at(entry(o), &["message"]).contains("containers[name=miner]"))
        .await;
    wanted["spec"]["template"]["metadata"]["labels"]["round"] = json!("two");
    world.apply(&wanted).await;
    let copy = copies.object("the new label", "drift", "added", |o| object::label(o, "round") == Some("two")).await;
    assert_eq!(names(&copy).len(), 2, "it is kept");
}

async fn enable(world: &World, group: &str, kind: &str, plural: &str, namespaced: bool) {
    let target = comity_api_kubefed::ApiResource::new(group, "v1", kind, plural, namespaced);
    let config = comity_api_kubefed::FederatedTypeConfig::for_target(target, "types.kubefed.io", "v1beta1");
    apply(&world.hub, &comity_api_kubefed::crds::federated_crd(&config, &Default::default())).await;
    apply(&world.hub, &config.to_value()).await;
    let served = world.watch(&world.hub, gvr("types.kubefed.io", &format!("federated{plural}")));
    served.until("the new kind is served", |cache| cache.is_synced().then_some(())).await;
}

async fn rights_and_openings_that_others_add_are_removed(world: &World) {
    const RBAC: &str = "rbac.authorization.k8s.io";
    enable(world, RBAC, "ClusterRoleBinding", "clusterrolebindings", false).await;
    enable(world, "networking.k8s.io", "NetworkPolicy", "networkpolicies", true).await;
    let rule = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
    let subject = json!({"kind": "User", "name": "jane", "apiGroup": RBAC});
    let mut role = federated("ClusterRole", "reader", json!({"rules": [rule]}));
    let mut binding = federated(
        "ClusterRoleBinding",
        "readers",
        json!({"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "reader"}, "subjects": [subject]}),
    );
    for object in [&mut role, &mut binding] {
        object::remove(object, &["metadata", "namespace"]);
        world.apply(object).await;
    }
    world.apply(&federated("NetworkPolicy", "closed", json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}))).await;
    let watch = |group: &str, resource: &str| world.watch(&world.members[0], gvr(group, resource));
    let (roles, bindings, policies) =
        (watch(RBAC, "clusterroles"), watch(RBAC, "clusterrolebindings"), watch("networking.k8s.io", "networkpolicies"));
    let present = async |on: &Watched, namespace: &str, name: &str| on.object("the copy", namespace, name, |_| true).await;
    present(&roles, "", "reader").await;
    present(&bindings, "", "readers").await;
    present(&policies, "drift", "closed").await;

    let more = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
    let edited = edit(world, RBAC, "clusterroles", "reader", "kubectl-edit", json!({"rules": [rule, more]})).await;
    roles.object("one rule", "", "reader", |o| object::items_at(o, &["rules"]).len() == 1 && revision(o) > edited).await;
    let aggregation = json!({"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]});
    let edited = edit(world, RBAC, "clusterroles", "reader", "kubectl-edit", json!({"aggregationRule": aggregation})).await;
    roles.object("no aggregation", "", "reader", |o| o.get("aggregationRule").is_none() && revision(o) > edited).await;
    let other = json!({"kind": "User", "name": "mallory", "apiGroup": RBAC});
    let edited = edit(world, RBAC, "clusterrolebindings", "readers", "kubectl-edit", json!({"subjects": [subject, other]})).await;
    bindings.object("one subject", "", "readers", |o| object::items_at(o, &["subjects"]).len() == 1 && revision(o) > edited).await;
    let edited = edit(world, "networking.k8s.io", "networkpolicies", "closed", "kubectl-edit", json!({"spec": {"ingress": [{}]}})).await;
    policies
        .object("no opening", "drift", "closed", |o| object::items_at(o, &["spec", "ingress"]).is_empty() && revision(o) > edited)
        .await;
}
