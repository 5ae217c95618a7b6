//! One object, one type or one answer that makes no sense stops nothing but itself.

use async_trait::async_trait;
use bytes::Bytes;
use comity_testkit::{Answer, BoxError, Upstream, upstream::Remote};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn absurd_templates_and_overrides_stop_only_their_own_objects() {
    let fleet = Fleet::start().await;
    let mut absurd = vec![federated("numbers", "", &ALL), federated("nested", "", &ALL), federated("overridden", "v", &ALL)];
    absurd[0]["spec"]["template"] = json!({"data": 5});
    absurd[1]["spec"]["template"] = json!({"data": {"k": {"deep": [[[[]]]]}}, "metadata": {"labels": {"x": "not a label value!"}}});
    absurd[2]["spec"]["overrides"] = json!([{"clusterName": "cluster2", "clusterOverrides": [{"path": "/no/such/place", "value": 1}]}]);
    for object in &absurd {
        fleet.world.apply(object).await;
    }
    fleet.apply("sound", "v").await;
    fleet.propagated("sound").await;
    for name in ["numbers", "nested"] {
        fleet.status(name, "refused by every member", |o| ALL.iter().all(|cluster| says(o, cluster, "CreationFailed"))).await;
    }
    let status = fleet.status("overridden", "refused for one member", |o| says(o, "cluster2", "ApplyOverridesFailed")).await;
    assert!(entry(&status, "cluster1").unwrap().get("status").is_none());
    fleet.shows(0, "overridden", "v").await;
    fleet.apply("sound", "w").await;
    for member in 0..3 {
        fleet.shows(member, "sound", "w").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_configuration_for_what_does_not_exist_stops_only_its_type() {
    let fleet = Fleet::start().await;
    let nonsense = json!({
        "apiVersion": "core.kubefed.io/v1beta1", "kind": "FederatedTypeConfig",
        "metadata": {"name": "widgets.example.com", "namespace": "kube-federation-system"},
        "spec": {
            "propagation": "Enabled",
            "targetType": {"group": "example.com", "version": "v1", "kind": "Widget", "pluralName": "widgets", "scope": "Namespaced"},
            "federatedType": {"group": "types.kubefed.io", "version": "v1beta1", "kind": "FederatedWidget",
                "pluralName": "federatedwidgets", "scope": "Namespaced"},
        },
    });
    fleet.world.apply(&nonsense).await;
    let configs = fleet.world.watch(&fleet.world.hub, gvr("core.kubefed.io", "federatedtypeconfigs"));
    configs
        .object("the configuration was read", "kube-federation-system", "widgets.example.com", |o| o["status"]["observedGeneration"] == 1)
        .await;
    fleet.apply("one", "v").await;
    fleet.propagated("one").await;
    for member in 0..3 {
        fleet.shows(member, "one", "v").await;
    }
}

/// A member in which one Service cannot be read.
struct OddServices(Remote);

#[async_trait]
impl Upstream for OddServices {
    async fn send(&self, request: Request<Bytes>) -> Result<Answer, BoxError> {
        if request.method() != Method::GET || !request.uri().path().ends_with("/services") {
            return self.0.send(request).await;
        }
        let list =
            r#"{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"a"},"spec":{{{"#;
        Ok(Response::new(Full::new(Bytes::from(list)).map_err(|never| match never {}).boxed_unsync()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_a_member_that_nobody_can_read_stops_only_its_type_in_that_member() {
    let mut fleet = Fleet::start().await;
    let odd = Proxy::start(Arc::new(OddServices(Remote::new(&fleet.world.clusters[1].url()).unwrap()))).await.unwrap();
    fleet.world.join_again(0, &odd.url(), odd.ca()).await;
    fleet.proxies.push(odd);
    let services = fleet.world.watch(&fleet.world.hub, gvr("types.kubefed.io", "federatedservices"));
    let mut service = federated("web", "", &ALL);
    service["kind"] = "FederatedService".into();
    service["spec"]["template"] = json!({"spec": {"ports": [{"port": 80}]}});
    fleet.world.apply(&service).await;
    fleet.apply("one", "v").await;
    fleet.propagated("one").await;
    fleet.shows(0, "one", "v").await;
    let told = |o: &Value| {
        says(o, "cluster1", "CachedRetrievalFailed")
            && ["cluster2", "cluster3"].iter().all(|c| entry(o, c).is_some_and(|e| e.get("status").is_none()))
    };
    let status = services.object("the type is unreadable in one member", NAMESPACE, "web", told).await;
    assert!(object::str_at(entry(&status, "cluster1").unwrap(), &["message"]).contains("not JSON"), "{status}");
    let message = fleet.named("cluster1", "CachedRetrievalFailed").await;
    assert!(message.contains("services"), "{message}");
}
