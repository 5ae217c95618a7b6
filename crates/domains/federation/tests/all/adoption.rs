//! Objects that exist in a member before their owner does: the four modes of adoption, what is recorded, what is released.

use comity_core::{Value, condition, json, object};
use comity_lane::{
    ClusterClient, PatchKind,
    adopted::{self, Before},
};

use crate::world::{World, apply, gvr};

fn federated(name: &str, mode: Option<&str>, data: Value) -> Value {
    let mut federated = json!({"apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"from": "hub"}}, "data": data}, "placement": {"clusterSelector": {}}}});
    if let Some(mode) = mode {
        object::set(&mut federated, &["metadata", "annotations", "comity.dev/adopt"], mode.into());
    }
    federated
}

/// As `kubectl apply` (client side) leaves it: with its annotation, under its manager.
async fn kubectl_applied(member: &ClusterClient, name: &str, data: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop", "labels": {"team": "web"}}, "data": data});
    let last = object.to_string();
    object::set(&mut object, &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"], last.into());
    member.create(&gvr("", "configmaps"), "shop", &object, "kubectl-client-side-apply").await.unwrap()
}

async fn get(member: &ClusterClient, name: &str) -> Option<Value> {
    member.get(&gvr("", "configmaps"), "shop", name).await.unwrap()
}

fn reason(federated: &Value) -> &str {
    object::items_at(federated, &["status", "clusters"]).first().map_or("", |e| object::str_at(e, &["reason"]))
}

async fn in_place(world: &World) {
    for on in [&world.hub, &world.members[0]] {
        apply(on, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_of_adoption_does_what_it_says() {
    each_mode(World::embedded(1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_of_adoption_does_what_it_says_on_a_real_member() {
    let Some(world) = World::real("adoption over real control planes", 1).await else { return };
    each_mode(world).await;
}

async fn each_mode(world: World) {
    in_place(&world).await;
    let (hub, member) = (&world.hub, &world.members[0]);
    let seen = world.watch(hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let copies = world.watch(member, gvr("", "configmaps"));

    // Abort and ReadOnly: not a byte
    for (name, mode, word) in [("abort", "Abort", "AlreadyExists"), ("read", "ReadOnly", "ReadOnly")] {
        let before = kubectl_applied(member, name, json!({"k": "theirs"})).await;
        apply(hub, &federated(name, Some(mode), json!({"k": "ours"}))).await;
        seen.object("the refusal", "shop", name, |o| reason(o) == word).await;
        assert_eq!(get(member, name).await.unwrap(), before);
    }
    apply(hub, &federated("absent", Some("ReadOnly"), json!({"k": "ours"}))).await;
    seen.object("that nothing is made", "shop", "absent", |o| reason(o) == "ReadOnly").await;
    assert_eq!(get(member, "absent").await, None);

    // AdoptIfEqual: only where the template's fields say the same already
    let other = kubectl_applied(member, "differs", json!({"k": "theirs"})).await;
    apply(hub, &federated("differs", Some("AdoptIfEqual"), json!({"k": "ours"}))).await;
    seen.object("the difference", "shop", "differs", |o| reason(o) == "NotEqual").await;
    assert_eq!(get(member, "differs").await.unwrap(), other);
    let mut same = federated("equal", Some("AdoptIfEqual"), json!({"k": "v"}));
    object::remove(&mut same, &["spec", "template", "metadata"]);
    let equal = kubectl_applied(member, "equal", json!({"k": "v"})).await;
    apply(hub, &same).await;
    seen.object("the adoption", "shop", "equal", |o| condition::is_true(o, "Propagation")).await;
    assert_eq!(object::uid(&get(member, "equal").await.unwrap()), object::uid(&equal));

    // Adopt: made equal, co-owned fields move once, so that what leaves the template leaves the member
    let before = kubectl_applied(member, "adopt", json!({"k": "theirs", "gone": "x", "later": "y"})).await;
    apply(hub, &federated("adopt", Some("Adopt"), json!({"k": "ours", "later": "y"}))).await;
    let copy = copies.object("the adoption", "shop", "adopt", |o| o["data"] == json!({"k": "ours", "later": "y"})).await;
    assert_eq!(object::uid(&copy), object::uid(&before));
    assert_eq!(copy["metadata"]["labels"].get("team"), None, "what kubectl had set and the template does not name is gone");
    assert_eq!(object::annotation(&copy, "kubectl.kubernetes.io/last-applied-configuration"), None);
    apply(hub, &federated("adopt", Some("Adopt"), json!({"k": "ours"}))).await;
    copies.object("the removal", "shop", "adopt", |o| o["data"] == json!({"k": "ours"})).await;

    released(&world, &before).await;
}

/// What an adopted object was is recorded, survives later writes, and comes back.
async fn released(world: &World, before: &Value) {
    let (hub, member) = (&world.hub, &world.members[0]);
    let copy = get(member, "adopt").await.unwrap();
    let Before::Object(recorded) = adopted::before(&copy) else { panic!("no record: {copy}") };
    assert_eq!(recorded["data"], before["data"]);
    let body = adopted::released(&copy, Some(&recorded));
    let answer = member.replace(&gvr("", "configmaps"), "shop", "adopt", None, &body, adopted::RELEASER).await.unwrap();
    let fields = adopted::released_fields(&answer, &recorded, "2026-01-01T00:00:00Z").unwrap();
    let patch = json!([{"op": "replace", "path": "/metadata/managedFields", "value": fields}]);
    let maps = gvr("", "configmaps");
    let back = member.patch(&maps, "shop", "adopt", None, PatchKind::Json, &patch, adopted::RELEASER, false).await.unwrap();
    let seen = world.watch(hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    seen.object("that it is left alone", "shop", "adopt", |o| reason(o) == "ManagedLabelFalse").await;
    // a change on the hub does not reach it either
    apply(hub, &federated("adopt", Some("Adopt"), json!({"k": "newer"}))).await;
    seen.object("that it is left alone", "shop", "adopt", |o| {
        reason(o) == "ManagedLabelFalse" && o["status"]["observedGeneration"] == o["metadata"]["generation"]
    })
    .await;
    assert_eq!(get(member, "adopt").await.unwrap(), back);
    let essence = |object: &Value| {
        let mut essence = object.clone();
        object::remove(&mut essence, &["metadata", "resourceVersion"]);
        object::remove(&mut essence, &["metadata", "managedFields"]);
        object::remove(&mut essence, &["metadata", "labels", "kubefed.io/managed"]);
        essence
    };
    assert_eq!(essence(&back), essence(before));
    let managers = |object: &Value| -> Vec<String> {
        object::items_at(object, &["metadata", "managedFields"]).iter().map(|e| object::str_at(e, &["manager"]).to_owned()).collect()
    };
    let mut all = managers(&back);
    all.sort();
    assert_eq!(all, ["comity-release", "kubectl-client-side-apply"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_kubefed_made_is_taken_over_with_its_fields() {
    let world = World::embedded(1).await;
    in_place(&world).await;
    let copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old", "namespace": "shop", "labels": {"kubefed.io/managed": "true"}},
        "data": {"k": "v", "dropped": "x"}});
    let made = world.members[0].create(&gvr("", "configmaps"), "shop", &copy, "controller-manager").await.unwrap();
    let copies = world.watch(&world.members[0], gvr("", "configmaps"));
    world.apply(&federated("old", Some("Abort"), json!({"k": "v"}))).await;
    let taken = copies.object("the takeover", "shop", "old", |o| o["data"] == json!({"k": "v"})).await;
    assert_eq!(object::uid(&taken), object::uid(&made));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_what_is_only_read_is_shown_and_looked_at_again_and_nothing_of_it_is_touched() {
    let world = World::embedded(1).await;
    in_place(&world).await;
    let (hub, member, deployments) = (&world.hub, &world.members[0], gvr("apps", "deployments"));
    let seen = world.watch(hub, gvr("types.kubefed.io", "federateddeployments"));
    let pods = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = |replicas: i64| json!({"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": pods});
    let theirs = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec(3)});
    member.create(&deployments, "shop", &theirs, "kubectl-create").await.unwrap();
    let tell = async |ready: i64| {
        let status = json!({"status": {"replicas": 3, "readyReplicas": ready, "availableReplicas": ready}});
        let kind = PatchKind::Merge;
        member.patch(&deployments, "shop", "web", Some("status"), kind, &status, "deployment-controller", false).await.unwrap()
    };
    tell(1).await;
    let owner = json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedDeployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {"comity.dev/adopt": "ReadOnly"}},
        "spec": {"template": {"spec": spec(5)}, "placement": {"clusterSelector": {}}},
    });
    apply(hub, &owner).await;
    let shows = |o: &Value, ready: i64| {
        let entry = object::items_at(o, &["status", "clusters"]).first();
        entry.is_some_and(|e| e["reason"] == "ReadOnly" && e["remoteStatus"]["readyReplicas"] == ready)
    };
    seen.object("its status", "shop", "web", |o| shows(o, 1)).await;
    let before = tell(3).await;
    seen.object("its later status", "shop", "web", |o| shows(o, 3)).await;
    let options = comity_lane::DeleteOptions::default();
    hub.delete(&gvr("types.kubefed.io", "federateddeployments"), "shop", "web", &options).await.unwrap();
    seen.gone("the owner", "shop", "web").await;
    assert_eq!(member.get(&deployments, "shop", "web").await.unwrap(), Some(before), "not a byte");
}
