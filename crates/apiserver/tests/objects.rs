//! The life of objects: writes, deletions, lists and watches, as clients see them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use comity_apiserver::{User, fields};
use comity_core::{Value, json, object};
use comity_store::{Options, Space, SpaceProbe, Store};
use common::Hub;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, labels: Value, data: Value) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}, "data": data})
}

/// The events of a watch that ends by itself, as `TYPE name`.
fn events(body: &str) -> Vec<String> {
    let line = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        format!("{} {}", event["type"].as_str().unwrap(), object::name(&event["object"]))
    };
    body.lines().map(line).collect()
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_the_revision() {
    let hub = Hub::start().await;
    let made = hub.admin("POST", MAPS, Some(&map("a", json!({}), json!({"x": "y"})))).await.ok();
    let again = hub.admin("PUT", &format!("{MAPS}/a"), Some(&map("a", json!({}), json!({"x": "y"})))).await.ok();
    assert_eq!(object::resource_version(&made), object::resource_version(&again));
    let changed = hub.admin("PUT", &format!("{MAPS}/a"), Some(&map("a", json!({}), json!({"x": "z"})))).await.ok();
    assert_ne!(object::resource_version(&made), object::resource_version(&changed));
    let stale = hub.admin("PUT", &format!("{MAPS}/a"), Some(&made)).await;
    assert_eq!(stale.failure().0, 409);
}

#[tokio::test]
async fn the_last_finalizer_of_a_deleting_object_takes_it_along() {
    let hub = Hub::start().await;
    let mut held = map("held", json!({}), json!({}));
    object::set(&mut held, &["metadata", "finalizers"], json!(["example.com/hold"]));
    hub.admin("POST", MAPS, Some(&held)).await.ok();
    let deleting = hub.admin("DELETE", &format!("{MAPS}/held"), None).await.ok();
    assert!(object::is_deleting(&deleting));
    let mut freed = hub.admin("GET", &format!("{MAPS}/held"), None).await.ok();
    object::remove(&mut freed, &["metadata", "finalizers"]);
    hub.admin("PUT", &format!("{MAPS}/held"), Some(&freed)).await.ok();
    assert_eq!(hub.admin("GET", &format!("{MAPS}/held"), None).await.code, 404);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let hub = Hub::start().await;
    let before = hub.0.store().revision();
    let shown = hub.admin("POST", &format!("{MAPS}?dryRun=All"), Some(&map("dry", json!({}), json!({})))).await;
    assert_eq!(shown.code, 201);
    assert_eq!((hub.admin("GET", &format!("{MAPS}/dry"), None).await.code, hub.0.store().revision()), (404, before));
}

#[tokio::test]
async fn a_watch_sees_objects_enter_and_leave_its_selection() {
    let hub = Hub::start().await;
    let from = hub.0.store().revision();
    hub.admin("POST", MAPS, Some(&map("a", json!({"in": "no"}), json!({})))).await.ok();
    for value in ["yes", "yes", "no"] {
        let round = hub.0.store().revision().to_string();
        hub.admin("PUT", &format!("{MAPS}/a"), Some(&map("a", json!({"in": value}), json!({"round": round})))).await.ok();
    }
    hub.admin("DELETE", &format!("{MAPS}/a"), None).await.ok();
    let path = format!("{MAPS}?watch=1&resourceVersion={from}&timeoutSeconds=1&labelSelector=in%3Dyes");
    assert_eq!(events(&hub.admin("GET", &path, None).await.body), ["ADDED a", "MODIFIED a", "DELETED a"]);
    let all = format!("{MAPS}?watch=1&resourceVersion={from}&timeoutSeconds=1");
    assert_eq!(events(&hub.admin("GET", &all, None).await.body), ["ADDED a", "MODIFIED a", "MODIFIED a", "MODIFIED a", "DELETED a"]);
}

#[tokio::test]
async fn a_streaming_list_says_when_its_initial_state_is_complete() {
    let hub = Hub::start().await;
    for name in ["a", "b"] {
        hub.admin("POST", MAPS, Some(&map(name, json!({}), json!({})))).await.ok();
    }
    let path = format!("{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1");
    let body = hub.admin("GET", &path, None).await.body;
    assert_eq!(events(&body), ["ADDED a", "ADDED b", "BOOKMARK "]);
    let last: Value = serde_json::from_str(body.lines().last().unwrap()).unwrap();
    assert_eq!(object::annotation(&last["object"], "k8s.io/initial-events-end"), Some("true"));
}

#[tokio::test]
async fn all_pages_show_one_revision() {
    let hub = Hub::start().await;
    for name in ["a", "b", "c"] {
        hub.admin("POST", MAPS, Some(&map(name, json!({}), json!({})))).await.ok();
    }
    let first = hub.admin("GET", &format!("{MAPS}?limit=2"), None).await.ok();
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    hub.admin("DELETE", &format!("{MAPS}/c"), None).await.ok();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = hub.admin("GET", &format!("{MAPS}?limit=2&continue={token}"), None).await.ok();
    let names: Vec<&str> = second["items"].as_array().unwrap().iter().map(object::name).collect();
    assert_eq!(names, ["c"]);
    assert_eq!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_at_the_same_time_all_arrive() {
    let hub = Hub::start().await;
    hub.admin("POST", MAPS, Some(&map("a", json!({}), json!({})))).await.ok();
    let client = hub.0.client(User::system("patcher"));
    let patches = (0..40).map(|n| {
        let body = serde_json::to_vec(&json!({"data": {format!("k{n}"): "v"}})).unwrap();
        let request = http::Request::patch(format!("{MAPS}/a")).header("content-type", "application/merge-patch+json").body(body).unwrap();
        let client = client.clone();
        tokio::spawn(async move { client.request::<Value>(request).await })
    });
    for patch in patches.collect::<Vec<_>>() {
        patch.await.unwrap().unwrap();
    }
    let all = hub.admin("GET", &format!("{MAPS}/a"), None).await.ok();
    assert_eq!(all["data"].as_object().unwrap().len(), 40);
}

#[tokio::test]
async fn nothing_new_is_made_in_a_namespace_that_ends() {
    let hub = Hub::start().await;
    hub.admin("POST", "/api/v1/namespaces", Some(&json!({"metadata": {"name": "gone", "finalizers": []}}))).await.ok();
    let ending = hub.admin("DELETE", "/api/v1/namespaces/gone", None).await.ok();
    assert_eq!(object::str_at(&ending, &["status", "phase"]), "Terminating");
    let refused = hub.admin("POST", "/api/v1/namespaces/gone/configmaps", Some(&map("x", json!({}), json!({})))).await;
    assert_eq!(refused.failure().0, 403);
    let finalized = json!({"metadata": {"name": "gone"}, "spec": {"finalizers": []}});
    hub.admin("PUT", "/api/v1/namespaces/gone/finalize", Some(&finalized)).await.ok();
    assert_eq!(hub.admin("GET", "/api/v1/namespaces/gone", None).await.code, 404);
    assert_eq!(hub.admin("DELETE", "/api/v1/namespaces/default", None).await.failure().0, 403);
}

#[tokio::test]
async fn a_service_keeps_its_address_and_gives_it_back() {
    let hub = Hub::start().await;
    let services = "/api/v1/namespaces/default/services";
    let service = |name: &str, ip: Option<&str>| {
        let mut service = json!({"metadata": {"name": name}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}});
        if let Some(ip) = ip {
            service["spec"]["clusterIP"] = ip.into();
        }
        service
    };
    let first = hub.admin("POST", services, Some(&service("first", None))).await.ok();
    let ip = object::str_at(&first, &["spec", "clusterIP"]).to_owned();
    let replaced = hub.admin("PUT", &format!("{services}/first"), Some(&service("first", None))).await.ok();
    assert_eq!(object::str_at(&replaced, &["spec", "clusterIP"]), ip);
    assert_eq!(hub.admin("POST", services, Some(&service("second", Some(&ip)))).await.failure().0, 422);
    hub.admin("DELETE", &format!("{services}/first"), None).await.ok();
    hub.admin("POST", services, Some(&service("second", Some(&ip)))).await.ok();
}

#[tokio::test]
async fn a_scale_changes_only_replicas() {
    let hub = Hub::start().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    hub.admin("POST", deployments, Some(&deployment)).await.ok();
    let mut scale = hub.admin("GET", &format!("{deployments}/d/scale"), None).await.ok();
    scale["spec"]["replicas"] = json!(5);
    hub.admin("PUT", &format!("{deployments}/d/scale"), Some(&scale)).await.ok();
    let scaled = hub.admin("GET", &format!("{deployments}/d"), None).await.ok();
    assert_eq!((scaled["spec"]["replicas"].as_i64(), object::generation(&scaled)), (Some(5), 2));
}

#[tokio::test]
async fn a_pod_gets_its_node_once_and_goes_after_its_grace() {
    let hub = Hub::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    hub.admin("POST", "/api/v1/namespaces/default/serviceaccounts", Some(&json!({"metadata": {"name": "default"}}))).await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let made = hub.admin("POST", pods, Some(&pod)).await.ok();
    assert_eq!(object::str_at(&made, &["status", "phase"]), "Pending");
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    hub.admin("POST", &format!("{pods}/p/binding"), Some(&binding)).await.ok();
    assert_eq!(hub.admin("POST", &format!("{pods}/p/binding"), Some(&binding)).await.failure().0, 409);
    let bound = hub.admin("GET", &format!("{pods}?fieldSelector=spec.nodeName%3Dn"), None).await.ok();
    assert_eq!(bound["items"].as_array().unwrap().len(), 1);
    let going = hub.admin("DELETE", &format!("{pods}/p"), None).await.ok();
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 30);
    hub.admin("DELETE", &format!("{pods}/p?gracePeriodSeconds=0"), None).await.ok();
    assert_eq!(hub.admin("GET", &format!("{pods}/p"), None).await.code, 404);
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_writes_with_a_clear_message_and_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(10 << 30));
    let told = free.clone();
    let space: SpaceProbe = Arc::new(move |_| Some(Space { free: told.load(Ordering::Relaxed), size: 100 << 30 }));
    let store = Store::open(Options { extractor: fields::extractor(), space, ..Options::fjall(folder.path()) }).unwrap();
    let hub = Hub::over(store).await;
    let finalized = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "held", "finalizers": ["example.com/x"]}});
    hub.admin("POST", MAPS, Some(&map("a", json!({}), json!({})))).await.ok();
    hub.admin("POST", MAPS, Some(&finalized)).await.ok();
    assert_eq!(hub.admin("GET", "/readyz", None).await.code, 200);

    free.store(100 << 20, Ordering::Relaxed);
    let message = "the disk of the store is nearly full (100 MiB left): only deletes are accepted until space is freed";
    let refused = hub.admin("POST", MAPS, Some(&map("b", json!({}), json!({})))).await;
    assert_eq!(refused.failure(), (503, message.to_owned()));
    let refused = hub.admin("PATCH", &format!("{MAPS}/a"), Some(&json!({"data": {"x": "y"}}))).await;
    assert_eq!(refused.failure(), (503, message.to_owned()));
    assert_eq!(object::items_at(&hub.admin("GET", MAPS, None).await.ok(), &["items"]).len(), 2);
    let ready = hub.admin("GET", "/readyz", None).await;
    assert!(ready.code == 500 && ready.body.contains("[-]storage failed"), "{}", ready.body);
    assert_eq!(hub.admin("GET", "/livez", None).await.code, 200, "a restart would not help");
    // Deletions go on, also those in steps.
    hub.admin("DELETE", &format!("{MAPS}/a"), None).await.ok();
    hub.admin("DELETE", &format!("{MAPS}/held"), None).await.ok();
    hub.admin("PATCH", &format!("{MAPS}/held"), Some(&json!({"metadata": {"finalizers": null}}))).await.ok();
    assert_eq!(hub.admin("GET", &format!("{MAPS}/held"), None).await.code, 404);

    free.store(10 << 30, Ordering::Relaxed);
    hub.admin("POST", MAPS, Some(&map("b", json!({}), json!({})))).await.ok();
    assert_eq!(hub.admin("GET", "/readyz", None).await.code, 200);
}
