//! The life of a CustomResourceDefinition and its objects.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use comity_apiserver::fields;
use comity_core::{Value, condition, json, object};
use comity_store::{Options, Store};
use common::{Hub, definition};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
const STORED: &str = "apiextensions.k8s.io/customresourcedefinitions";

fn widget(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

async fn conditions(hub: &Hub, name: &str) -> Value {
    hub.admin("GET", &format!("{DEFINITIONS}/{name}"), None).await.ok()
}

#[tokio::test]
async fn an_object_can_be_made_right_after_its_definition() {
    let hub = Hub::start().await;
    hub.admin("POST", DEFINITIONS, Some(&definition("widgets", "Widget"))).await.ok();
    let made = hub.admin("POST", WIDGETS, Some(&widget("a", &json!({"unknown": 1})))).await.ok();
    assert_eq!(made["spec"], json!({"replicas": 2}), "unknown fields are pruned, defaults filled in");

    let stored = conditions(&hub, "widgets.example.com").await;
    assert!(condition::is_true(&stored, "NamesAccepted") && condition::is_true(&stored, "Established"));
    assert_eq!(condition::find(&stored, "Established").unwrap()["reason"], "InitialNamesAccepted");
    assert_eq!(stored["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(
        stored["status"]["acceptedNames"],
        json!({"plural": "widgets", "singular": "widget", "shortNames": ["wi"], "kind": "Widget", "listKind": "WidgetList", "categories": ["all"]})
    );
}

#[tokio::test]
async fn discovery_shows_a_definition_at_once() {
    let hub = Hub::start().await;
    assert_eq!(hub.admin("GET", "/apis/example.com", None).await.code, 404);
    hub.admin("POST", DEFINITIONS, Some(&definition("widgets", "Widget"))).await.ok();
    let group = hub.admin("GET", "/apis/example.com", None).await.ok();
    assert_eq!(group["preferredVersion"]["version"], "v1");
    assert_eq!(group["versions"][1]["version"], "v1beta1");
    let list = hub.admin("GET", "/apis/example.com/v1", None).await.ok();
    let rows: Vec<&str> = list["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(rows, ["widgets", "widgets/status", "widgets/scale"]);
    assert_eq!(list["resources"][0]["storageVersionHash"], "gIwvi5rymmg=");
    assert_eq!(list["resources"][2]["group"], "autoscaling");
    let accept = [("accept", "application/json;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2")];
    let token = ("authorization", "Bearer admin-token");
    let first = hub.outside("GET", "/apis", &[accept[0], token], None).await;
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    assert!(first.body.contains(r#""responseKind":{"group":"example.com","version":"v1","kind":"Widget"}"#));
    let again = hub.outside("GET", "/apis", &[accept[0], token, ("if-none-match", &etag)], None).await;
    assert_eq!((again.code, again.body.as_str()), (304, ""));
}

#[tokio::test]
async fn one_object_is_seen_in_every_version_and_old_ones_warn() {
    let hub = Hub::start().await;
    hub.admin("POST", DEFINITIONS, Some(&definition("widgets", "Widget"))).await.ok();
    hub.admin("POST", WIDGETS, Some(&widget("a", &json!({"color": "red"})))).await.ok();
    let reply = hub.admin("GET", "/apis/example.com/v1beta1/namespaces/default/widgets/a", None).await;
    assert_eq!(reply.headers["warning"], r#"299 - "example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget""#);
    assert_eq!(reply.ok()["apiVersion"], "example.com/v1beta1");
}

#[tokio::test]
async fn a_definition_waits_for_names_that_another_holds() {
    let hub = Hub::start().await;
    hub.admin("POST", DEFINITIONS, Some(&definition("widgets", "Widget"))).await.ok();
    hub.admin("POST", DEFINITIONS, Some(&definition("gadgets", "Widget"))).await.ok();
    let waiting = conditions(&hub, "gadgets.example.com").await;
    let names = condition::find(&waiting, "NamesAccepted").unwrap();
    assert_eq!((&names["reason"], &names["message"]), (&json!("ListKindConflict"), &json!("\"WidgetList\" is already in use")));
    assert_eq!(hub.admin("GET", "/apis/example.com/v1/gadgets", None).await.code, 404);

    hub.admin("DELETE", &format!("{DEFINITIONS}/widgets.example.com"), None).await.ok();
    let store = hub.0.store().clone();
    hub.until(STORED, || {
        store
            .list(STORED, None)
            .entries
            .iter()
            .any(|e| condition::is_true(&e.object(), "Established") && &*e.key.name == "gadgets.example.com")
    })
    .await;
    hub.admin("GET", "/apis/example.com/v1/gadgets", None).await.ok();
}

#[tokio::test]
async fn a_definition_goes_after_its_objects_and_their_finalizers() {
    let hub = Hub::start().await;
    hub.admin("POST", DEFINITIONS, Some(&definition("widgets", "Widget"))).await.ok();
    let mut held = widget("held", &json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    hub.admin("POST", WIDGETS, Some(&held)).await.ok();
    hub.admin("POST", WIDGETS, Some(&widget("free", &json!({})))).await.ok();

    let ending = hub.admin("DELETE", &format!("{DEFINITIONS}/widgets.example.com"), None).await.ok();
    assert_eq!(ending["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(
        hub.admin("POST", WIDGETS, Some(&widget("late", &json!({})))).await.failure(),
        (403, r#"widgets.example.com "late" is forbidden: create not allowed while custom resource definition is terminating"#.to_owned())
    );
    let store = hub.0.store().clone();
    hub.until("example.com/widgets", || {
        let entries = store.list("example.com/widgets", None).entries;
        entries.len() == 1 && object::is_deleting(&entries[0].object())
    })
    .await;
    assert!(condition::is_true(&conditions(&hub, "widgets.example.com").await, "Terminating"));

    hub.admin("PATCH", &format!("{WIDGETS}/held"), Some(&json!({"metadata": {"finalizers": null}}))).await.ok();
    hub.until(STORED, || store.list(STORED, None).entries.is_empty()).await;
    assert_eq!(hub.admin("GET", WIDGETS, None).await.code, 404);
    assert_eq!(hub.admin("GET", "/apis/example.com", None).await.code, 404);
}

#[tokio::test]
async fn a_new_storage_version_is_added_to_the_stored_ones() {
    let hub = Hub::start().await;
    hub.admin("POST", DEFINITIONS, Some(&definition("widgets", "Widget"))).await.ok();
    let mut changed = conditions(&hub, "widgets.example.com").await;
    changed["spec"]["versions"][0]["storage"] = false.into();
    changed["spec"]["versions"][1]["storage"] = true.into();
    let path = format!("{DEFINITIONS}/widgets.example.com");
    hub.admin("PUT", &path, Some(&changed)).await.ok();
    let stored = conditions(&hub, "widgets.example.com").await;
    assert_eq!(stored["status"]["storedVersions"], json!(["v1", "v1beta1"]));
    assert_eq!(stored["metadata"]["generation"], 2);
    hub.admin("POST", WIDGETS, Some(&widget("a", &json!({})))).await.ok();
    assert_eq!(hub.0.store().list("example.com/widgets", None).entries[0].object()["apiVersion"], "example.com/v1beta1");
}

#[tokio::test]
async fn definitions_and_objects_outlive_the_server() {
    let store = Store::open(Options { extractor: fields::extractor(), ..Options::mem() }).unwrap();
    let first = Hub::over(store.clone()).await;
    first.admin("POST", DEFINITIONS, Some(&definition("widgets", "Widget"))).await.ok();
    first.admin("POST", WIDGETS, Some(&widget("a", &json!({})))).await.ok();
    first.0.shutdown(std::time::Duration::from_secs(5)).await;
    let second = Hub::over(store).await;
    assert_eq!(second.admin("GET", &format!("{WIDGETS}/a"), None).await.ok()["kind"], "Widget");
}
