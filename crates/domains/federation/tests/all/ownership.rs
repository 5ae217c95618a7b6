//! Old hubs, cloned hubs, and copies that are not what their mark says.

use std::time::Duration;

use comity_core::{Value, json, object};
use comity_federation::Config;
use comity_lane::{DeleteOptions, PatchKind};
use comity_testkit::{Cluster, Kind};

use crate::world::{self, World, apply, gvr, join_to};

fn config_map(name: &str, text: &str) -> Value {
    json!({"apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"data": {"k": text}}, "placement": {"clusterSelector": {}}}})
}

fn reason(federated: &Value) -> (&str, &str) {
    let entry = object::items_at(federated, &["status", "clusters"]).first();
    entry.map_or(("", ""), |e| (object::str_at(e, &["status"]), object::str_at(e, &["reason"])))
}

async fn shop(world: &World) -> (world::Watched, world::Watched) {
    apply(&world.hub, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    (federated, world.watch(&world.members[0], gvr("", "configmaps")))
}

async fn in_sync(federated: &world::Watched, name: &str) {
    federated.object("in sync", "shop", name, |o| comity_core::condition::is_true(o, "Propagation")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_with_yesterdays_state_rolls_nothing_back_and_deletes_nothing() {
    let mut world = World::embedded(1).await;
    let (federated, copies) = shop(&world).await;
    for name in ["a", "b"] {
        world.apply(&config_map(name, "today")).await;
    }
    in_sync(&federated, "a").await;
    in_sync(&federated, "b").await;
    for n in 0..200 {
        apply(&world.hub, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "life", "namespace": "shop"}, "data": {"n": n.to_string()}}))
            .await;
    }
    world.federation.take().unwrap().shutdown().await;
    let member = &world.clusters[1];
    let before = copies.object("the copy", "shop", "a", |_| true).await;

    // the same hub id and epoch on a store that is younger: what a restored folder is
    let old = Cluster::start("old hub", "hub", Kind::EmbeddedHub).await.unwrap();
    let hub = old.client();
    comity_federation::bootstrap(&hub).await.unwrap();
    apply(&hub, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    for name in ["a", "b"] {
        apply(&hub, &config_map(name, "yesterday")).await;
    }
    let seen = world.watch(&hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    let _running = comity_federation::start(Config::new(hub.clone(), "hub-under-test", 1));
    join_to(&hub, member).await;
    let told = seen.object("that the hub is old", "shop", "a", |o| reason(o) == ("UpdateFailed", "HubBehind")).await;
    let message = object::str_at(&told["status"]["clusters"][0], &["message"]).to_owned();
    assert!(message.contains("comity hub recover") && message.contains("its Lease was renewed"), "{message}");
    let clusters = world.watch(&hub, gvr("core.kubefed.io", "kubefedclusters"));
    let flagged =
        |o: &Value| comity_core::condition::find(o, "HubBehind").is_some_and(|c| c["status"] == "True" && c["reason"] == "HubBehind");
    clusters.object("the condition", "kube-federation-system", "cluster1", flagged).await;
    hub.delete(&gvr("types.kubefed.io", "federatedconfigmaps"), "shop", "b", &DeleteOptions::default()).await.unwrap();
    seen.object("that nothing is deleted", "shop", "b", |o| object::is_deleting(o) && reason(o) == ("DeletionFailed", "HubBehind")).await;
    let live = async |name: &str| world.members[0].get(&gvr("", "configmaps"), "shop", name).await;
    assert_eq!(live("a").await.unwrap().unwrap(), *before);
    assert_eq!(live("b").await.unwrap().unwrap()["data"]["k"], "today");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_ahead_of_its_owner_closes_the_whole_member_until_the_epoch_is_raised() {
    let mut world = World::embedded(1).await;
    let (federated, copies) = shop(&world).await;
    for name in ["a", "b"] {
        world.apply(&config_map(name, "1")).await;
    }
    in_sync(&federated, "a").await;
    in_sync(&federated, "b").await;
    // as if a later state of this hub had written it
    let copy = copies.object("the copy", "shop", "b", |_| true).await;
    let mut mark: Value = serde_json::from_str(object::annotation(&copy, "comity.dev/owner").unwrap()).unwrap();
    mark["generation"] = 99.into();
    let patch = json!({"metadata": {"annotations": {"comity.dev/owner": mark.to_string()}}});
    world.members[0].patch(&gvr("", "configmaps"), "shop", "b", None, PatchKind::Merge, &patch, "later-hub", false).await.unwrap();
    federated.object("that b is ahead", "shop", "b", |o| reason(o).1 == "HubBehind").await;
    // an object whose own copy is not ahead
    world.apply(&config_map("a", "2")).await;
    federated.object("that a is not written either", "shop", "a", |o| reason(o) == ("UpdateFailed", "HubBehind")).await;
    assert_eq!(world.members[0].get(&gvr("", "configmaps"), "shop", "a").await.unwrap().unwrap()["data"]["k"], "1");

    // a start finds it before it writes anything
    world.federation.take().unwrap().shutdown().await;
    world.apply(&config_map("a", "3")).await;
    world.begin(1);
    federated
        .object("that a is not written after a start", "shop", "a", |o| {
            reason(o) == ("UpdateFailed", "HubBehind") && o["status"]["observedGeneration"] == o["metadata"]["generation"]
        })
        .await;
    assert_eq!(world.members[0].get(&gvr("", "configmaps"), "shop", "a").await.unwrap().unwrap()["data"]["k"], "1");

    world.federation.take().unwrap().shutdown().await;
    world.begin(2);
    copies.object("the recovered hub's word", "shop", "a", |o| o["data"]["k"] == "3").await;
    in_sync(&federated, "a").await;
    in_sync(&federated, "b").await;
    let clusters = world.watch(&world.hub, gvr("core.kubefed.io", "kubefedclusters"));
    let free = |o: &Value| comity_core::condition::find(o, "HubBehind").is_none();
    clusters.object("that the condition is gone", "kube-federation-system", "cluster1", free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_of_a_hub_only_reads_until_the_first_is_gone() {
    let mut world = World::embedded(1).await;
    let (federated, copies) = shop(&world).await;
    world.apply(&config_map("a", "1")).await;
    in_sync(&federated, "a").await;
    let first = world.federation.take().unwrap();
    let mut config = Config::new(world.hub.clone(), "hub-under-test", 1);
    "other-machine_2".clone_into(&mut config.instance);
    config.lease.period = Duration::from_millis(200);
    let second = comity_federation::start(config.clone());
    second.fleet().loaded().await;
    let member = second.fleet().member("cluster1").unwrap();
    let closed = async {
        loop {
            if let comity_lane::Standing::Closed(closed) = member.lane.standing() {
                return closed;
            }
            tokio::task::yield_now().await;
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(20), closed).await.unwrap();
    assert_eq!(closed.code(), "HeldByOther");
    assert!(closed.to_string().contains("hub-under-test"), "it names the holder: {closed}");
    // the first goes cleanly and gives its Lease back: the second need not wait until it expires
    first.shutdown().await;
    world.apply(&config_map("a", "2")).await;
    copies.object("the second one's write", "shop", "a", |o| o["data"]["k"] == "2").await;
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_without_an_owner_and_copied_copies_are_left_alone() {
    let mut world = World::embedded(1).await;
    let (federated, copies) = shop(&world).await;
    world.apply(&config_map("a", "1")).await;
    world.apply(&config_map("orphan", "1")).await;
    in_sync(&federated, "a").await;
    in_sync(&federated, "orphan").await;
    // kubectl get -o yaml | rename | apply, in the member
    let mut twin = Value::clone(&*copies.object("the copy", "shop", "a", |_| true).await);
    for field in ["uid", "resourceVersion", "managedFields", "creationTimestamp"] {
        object::remove(&mut twin, &["metadata", field]);
    }
    twin["metadata"]["name"] = "twin".into();
    let twin = world.members[0].create(&gvr("", "configmaps"), "shop", &twin, "kubectl-create").await.unwrap();
    // the owner vanishes without a deletion that anybody saw: its finalizer is taken while nothing runs
    world.federation.take().unwrap().shutdown().await;
    let owners = gvr("types.kubefed.io", "federatedconfigmaps");
    let patch = json!({"metadata": {"finalizers": null}});
    world.hub.patch(&owners, "shop", "orphan", None, PatchKind::Merge, &patch, "somebody", false).await.unwrap();
    world.hub.delete(&owners, "shop", "orphan", &DeleteOptions::default()).await.unwrap();
    world.begin(1);
    world.apply(&config_map("a", "2")).await;
    copies.object("a goes on", "shop", "a", |o| o["data"]["k"] == "2").await;
    world.hub.delete(&owners, "shop", "a", &DeleteOptions::default()).await.unwrap();
    federated.gone("a's owner", "shop", "a").await;
    copies.gone("a itself", "shop", "a").await;
    let live = async |name: &str| world.members[0].get(&gvr("", "configmaps"), "shop", name).await;
    assert_eq!(live("twin").await.unwrap().unwrap(), twin);
    assert_eq!(live("orphan").await.unwrap().unwrap()["data"]["k"], "1");
    // it may be adopted by an owner of its own name, as anything that nobody manages
    world.apply(&config_map("twin", "own")).await;
    copies.object("the adopted twin", "shop", "twin", |o| o["data"]["k"] == "own" && object::uid(o) == object::uid(&twin)).await;
}

/// A second federated kind for Deployments, as `kubefedctl enable --federated-group` makes one.
async fn second_kind(world: &World) {
    let is_deployment = |kind: &Value| kind == "FederatedDeployment";
    let mut config = comity_api_kubefed::type_config::shipped().into_iter().find(|c| c.spec.target_type.kind == "Deployment").unwrap();
    let shipped = comity_api_kubefed::crds::shipped_crds().into_iter();
    let mut definition = shipped.into_iter().find(|d| is_deployment(&d["spec"]["names"]["kind"])).unwrap();
    definition["metadata"]["name"] = "federateddeployments.other.example.com".into();
    definition["spec"]["group"] = "other.example.com".into();
    apply(&world.hub, &definition).await;
    "deployments.other".clone_into(&mut config.name);
    "other.example.com".clone_into(&mut config.spec.federated_type.group);
    let configs = gvr("core.kubefed.io", "federatedtypeconfigs");
    world.hub.create(&configs, "kube-federation-system", &config.to_value(), "test").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_of_one_object_the_first_keeps_it_and_the_other_hears_its_name() {
    let world = World::embedded(1).await;
    shop(&world).await;
    let mut first = json!({"apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedDeployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"placement": {"clusterSelector": {}}, "template": {"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "first"}]}}}}}});
    let federated = world.watch(&world.hub, gvr("types.kubefed.io", "federateddeployments"));
    let copies = world.watch(&world.members[0], gvr("apps", "deployments"));
    world.apply(&first).await;
    in_sync(&federated, "web").await;
    second_kind(&world).await;
    first["apiVersion"] = "other.example.com/v1beta1".into();
    first["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]["image"] = "second".into();
    let others = comity_core::GroupVersionResource::new("other.example.com", "v1beta1", "federateddeployments");
    let seen = world.watch(&world.hub, others.clone());
    let kind = PatchKind::Apply { force: true };
    let served = async {
        while world.hub.patch(&others, "shop", "web", None, kind, &first, "test", false).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), served).await.unwrap();
    let told = seen.object("whose it is", "shop", "web", |o| reason(o) == ("AlreadyExists", "OwnedByOther")).await;
    let message = object::str_at(&told["status"]["clusters"][0], &["message"]).to_owned();
    assert!(message.contains("FederatedDeployment.types.kubefed.io") && message.contains("shop/web"), "{message}");
    let image = |o: &Value| o["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert_eq!(image(&*copies.object("the first one's", "shop", "web", |_| true).await), "first");
    // the second one's end takes nothing away
    world.hub.delete(&others, "shop", "web", &DeleteOptions::default()).await.unwrap();
    seen.gone("the second owner", "shop", "web").await;
    assert_eq!(image(&*copies.object("the first one's", "shop", "web", |_| true).await), "first");
}
