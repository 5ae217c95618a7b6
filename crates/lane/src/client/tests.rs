use std::sync::Arc;

use comity_core::json;
use http::{Response, StatusCode};
use parking_lot::Mutex;

use super::*;

/// A transport that answers every request alike and notes what it was asked.
fn answering(code: u16, answer: &Value) -> (ClusterClient, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (noted, answer) = (asked.clone(), answer.to_string());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (noted, answer) = (noted.clone(), answer.clone());
        async move {
            let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
            let line = format!("{} {} {kind}", request.method(), request.uri());
            let body = request.into_body().collect_bytes().await.unwrap();
            noted.lock().push(format!("{line} {}", String::from_utf8_lossy(&body)));
            let answer = Response::builder().status(StatusCode::from_u16(code).unwrap()).body(Body::from(answer.into_bytes())).unwrap();
            Ok::<_, std::io::Error>(answer)
        }
    });
    (ClusterClient::new(kube::Client::new(service, "default")), asked)
}

fn deployments() -> GroupVersionResource {
    GroupVersionResource::new("apps", "v1", "deployments")
}

#[tokio::test]
async fn requests_go_to_the_api_paths_with_their_parameters() {
    let (client, asked) = answering(200, &json!({"kind": "Deployment"}));
    let gvr = deployments();
    let object = json!({"a": 1});
    client.get(&gvr, "ns", "web").await.unwrap();
    client.create(&gvr, "ns", &object, "kube-controller-manager").await.unwrap();
    client.replace(&gvr, "ns", "web", Some("status"), &object, "m").await.unwrap();
    client.patch(&gvr, "ns", "web", None, PatchKind::Apply { force: true }, &object, "m", true).await.unwrap();
    client.patch(&GroupVersionResource::new("", "v1", "nodes"), "", "a:b", None, PatchKind::Merge, &object, "m", false).await.unwrap();
    let options = DeleteOptions { propagation: Some(Propagation::Foreground), grace_seconds: Some(0), ..DeleteOptions::of_uid("u1") };
    client.delete(&gvr, "ns", "web", &options).await.unwrap();
    insta::assert_snapshot!(asked.lock().join("\n"), @r#"
    GET /apis/apps/v1/namespaces/ns/deployments/web - 
    POST /apis/apps/v1/namespaces/ns/deployments?fieldManager=kube-controller-manager application/json {"a":1}
    PUT /apis/apps/v1/namespaces/ns/deployments/web/status?fieldManager=m application/json {"a":1}
    PATCH /apis/apps/v1/namespaces/ns/deployments/web?fieldManager=m&dryRun=All&force=true application/apply-patch+yaml {"a":1}
    PATCH /api/v1/nodes/a%3Ab?fieldManager=m application/merge-patch+json {"a":1}
    DELETE /apis/apps/v1/namespaces/ns/deployments/web application/json {"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"u1"},"propagationPolicy":"Foreground","gracePeriodSeconds":0}
    "#);
}

#[tokio::test]
async fn list_items_get_the_kind_that_the_list_implies() {
    let list = json!({"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "7", "continue": "c"},
        "items": [{"metadata": {"name": "a"}}]});
    let (client, asked) = answering(200, &list);
    let options = ListOptions { label_selector: "a in (b,c)".into(), limit: 5, ..ListOptions::default() };
    let page = client.list(&deployments(), None, &options).await.unwrap();
    assert_eq!(page.items[0].to_string(), r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"}}"#);
    assert_eq!((page.resource_version.as_str(), page.continue_token.as_str()), ("7", "c"));
    assert!(asked.lock()[0].starts_with("GET /apis/apps/v1/deployments?labelSelector=a%20in%20%28b%2Cc%29&limit=5"));
}

#[tokio::test]
async fn failures_keep_the_status_that_the_server_told() {
    let status = Status::stale(&deployments().group_resource(), "web");
    let (client, _) = answering(409, &status.to_value());
    let error = client.replace(&deployments(), "ns", "web", None, &json!({}), "m").await.unwrap_err();
    assert!(error.is_conflict() && error.is_transient() && !error.is_already_exists());
    assert_eq!(error.status(), Some(&status));

    let (client, _) = answering(401, &json!({"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}));
    assert!(matches!(client.get(&deployments(), "ns", "web").await, Err(ClientError::Unauthorized(_))));

    let (client, _) = answering(404, &json!("404 page not found"));
    assert!(client.get(&deployments(), "ns", "web").await.unwrap().is_none());
    assert!(client.delete(&deployments(), "ns", "web", &DeleteOptions::default()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_refused_connection_is_unreachable_and_says_why() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let client = ClusterClient::new(kube::Client::try_from(kube::Config::new(uri)).unwrap());
    match client.get_text("/healthz").await {
        Err(ClientError::Unreachable(why)) => assert!(why.to_lowercase().contains("refused"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_within_the_limit_is_a_timeout() {
    let service = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, std::io::Error>>());
    let client = ClusterClient::new(kube::Client::new(service, "default")).with_timeout(Duration::from_secs(3));
    let started = tokio::time::Instant::now();
    assert!(matches!(client.get_text("/healthz").await, Err(ClientError::Timeout)));
    assert_eq!(started.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn aggregated_discovery_lists_resources_and_marks_the_preferred_version() {
    let list = json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": "example.com"}, "versions": [
        {"version": "v1", "resources": [{"resource": "foos", "responseKind": {"kind": "Foo"}, "scope": "Namespaced", "singularResource": "foo",
            "verbs": ["get", "list"], "subresources": [{"subresource": "status"}]}]},
        {"version": "v1beta1", "freshness": "Stale", "resources": [{"resource": "foos", "responseKind": {"kind": "Foo"}, "scope": "Cluster"}]}]}]});
    let (client, _) = answering(200, &list);
    let found = client.discover().await.unwrap();
    let foo = found.of_group_kind("example.com", "Foo").unwrap();
    assert_eq!((foo.gvr.version.as_str(), foo.namespaced, foo.can("list"), foo.can("watch")), ("v1", true, true, false));
    assert_eq!(foo.subresources, ["status"]);
    assert_eq!(found.failed[0].0, "example.com/v1beta1");
    assert!(!found.of_kind(&comity_core::GroupVersionKind::new("example.com", "v1beta1", "Foo")).unwrap().namespaced);
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_2_is_talked_to_as_it_can() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                let body = json!({"path": request.uri().path(), "version": format!("{:?}", request.version())}).to_string();
                Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Full::new(bytes::Bytes::from(body))))
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), answer);
            tokio::spawn(connection);
        }
    });
    let client = ClusterClient::new(wire::client(&kube::Config::new(url.parse().unwrap())).unwrap());
    for _ in 0..2 {
        let answer = client.get(&deployments(), "ns", "web").await.unwrap().unwrap();
        assert_eq!(answer, json!({"path": "/apis/apps/v1/namespaces/ns/deployments/web", "version": "HTTP/1.1"}));
    }
    server.abort();
}
