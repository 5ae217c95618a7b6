use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use comity_core::json;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use tokio::sync::mpsc;

use super::*;

type Answer = (u16, UnsyncBoxBody<Bytes, std::io::Error>);

/// A server that gives its prepared answers in order, then nothing; tells every request.
struct Server {
    asked: mpsc::UnboundedReceiver<String>,
    cache: Cache,
    events: mpsc::UnboundedReceiver<String>,
}

fn serve(answers: impl IntoIterator<Item = Answer>) -> Server {
    let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
    let (tell_asked, asked) = mpsc::unbounded_channel();
    let (tell_event, events) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |request: Request<Body>| {
        tell_asked.send(request.uri().to_string()).ok();
        let answer = answers.lock().pop_front();
        async move {
            let Some((code, body)) = answer else { return std::future::pending().await };
            Ok::<_, std::io::Error>(Response::builder().status(code).body(body).unwrap())
        }
    });
    let client = ClusterClient::new(kube::Client::new(service, "default"));
    let on_event: OnEvent = Arc::new(move |event: &CacheEvent| {
        let line = match event {
            CacheEvent::Applied { old: None, new } => format!("new {}", object::name(new)),
            CacheEvent::Applied { old: Some(_), new } => format!("changed {}", object::name(new)),
            CacheEvent::Deleted(last) => format!("gone {}", object::name(last)),
            CacheEvent::Synced => "synced".to_owned(),
        };
        tell_event.send(line).ok();
    });
    let interest = Interest::all(GroupVersionResource::new("", "v1", "pods"));
    Server { asked, cache: Cache::start(client, interest, on_event), events }
}

impl Server {
    async fn events(&mut self, count: usize) -> String {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.events.recv().await.unwrap());
        }
        all.join(", ")
    }

    async fn asked(&mut self) -> String {
        self.asked.recv().await.unwrap()
    }
}

fn pod(name: &str, version: u64) -> Value {
    json!({"kind": "Pod", "metadata": {"namespace": "d", "name": name, "uid": format!("u-{name}"), "resourceVersion": version.to_string(),
        "managedFields": [{"manager": "x"}]}})
}

fn whole(code: u16, value: &Value) -> Answer {
    (code, http_body_util::Full::new(Bytes::from(value.to_string())).map_err(std::io::Error::other).boxed_unsync())
}

fn list(version: u64, items: &[Value]) -> Answer {
    whole(200, &json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version.to_string()}, "items": items}))
}

fn lines(events: &[(&str, Value)]) -> Vec<Result<http_body::Frame<Bytes>, std::io::Error>> {
    let line = |(kind, object): &(&str, Value)| {
        Ok(http_body::Frame::data(Bytes::from(json!({"type": kind, "object": object}).to_string() + "\n")))
    };
    events.iter().map(line).collect()
}

fn gone() -> Answer {
    whole(404, &json!({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}))
}

fn expired() -> Value {
    json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})
}

/// A watch that tells these events and ends.
fn ended(events: &[(&str, Value)]) -> Answer {
    (200, StreamBody::new(futures::stream::iter(lines(events))).boxed_unsync())
}

/// A watch that tells these events and stays open.
fn open(events: &[(&str, Value)]) -> Answer {
    use futures::StreamExt;
    (200, StreamBody::new(futures::stream::iter(lines(events)).chain(futures::stream::pending())).boxed_unsync())
}

#[tokio::test(start_paused = true)]
async fn a_list_and_its_watch_become_objects_events_and_revisions() {
    let mut server = serve([
        list(5, &[pod("a", 3), pod("b", 4)]),
        open(&[
            ("MODIFIED", pod("a", 6)),
            ("ADDED", pod("c", 7)),
            ("DELETED", pod("b", 8)),
            ("BOOKMARK", json!({"metadata": {"resourceVersion": "20"}})),
        ]),
    ]);
    assert_eq!(server.events(6).await, "new a, new b, synced, changed a, new c, gone b");
    server.cache.reached("20").await;
    let names: Vec<_> = server.cache.list_namespace("d").iter().map(|o| object::name(o).to_owned()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(server.cache.get("d", "a").unwrap()["metadata"].get("managedFields"), None);
    assert!(server.asked().await.starts_with("/api/v1/pods?limit=500"));
    let watch = server.asked().await;
    assert!(watch.contains("watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=5"), "{watch}");
    assert!(server.cache.last_error().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_from_the_last_revision() {
    let mut server = serve([list(5, &[]), ended(&[("ADDED", pod("a", 9))]), open(&[])]);
    assert_eq!(server.events(2).await, "synced, new a");
    server.asked().await;
    server.asked().await;
    assert!(server.asked().await.ends_with("resourceVersion=9"));
}

#[tokio::test(start_paused = true)]
async fn an_expired_revision_is_listed_anew_and_what_is_missing_is_gone() {
    let mut server = serve([
        list(5, &[pod("a", 3), pod("b", 4)]),
        ended(&[("ERROR", expired())]),
        list(30, &[pod("b", 4), pod("c", 29)]),
        gone(),
        open(&[]),
    ]);
    assert_eq!(server.events(3).await, "new a, new b, synced");
    assert_eq!(server.events(3).await, "gone a, new c, synced");
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_list_keep_the_last_known_objects_and_are_told() {
    let mut server = serve([
        list(5, &[pod("a", 3)]),
        whole(500, &json!({"kind": "Status", "code": 500, "reason": "InternalError", "message": "boom"})),
        whole(200, &json!({"kind": "PodList", "items": "nonsense"})),
    ]);
    assert_eq!(server.events(2).await, "new a, synced");
    for _ in 0..4 {
        server.asked().await;
    }
    assert!(server.cache.last_error().unwrap().to_string().contains("has no items"));
    assert_eq!(server.cache.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unreadable_objects_are_skipped() {
    let mut server = serve([
        list(6, &[pod("a", 3), json!({"metadata": {}}), json!("not an object")]),
        open(&[("ADDED", json!({"metadata": {"resourceVersion": "7"}})), ("ADDED", pod("b", 8))]),
    ]);
    assert_eq!(server.events(3).await, "new a, synced, new b");
    assert_eq!(server.cache.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_given_up_after_its_time() {
    let started = tokio::time::Instant::now();
    let mut server = serve([list(5, &[]), open(&[]), open(&[])]);
    for _ in 0..3 {
        server.asked().await;
    }
    assert!(started.elapsed() >= Duration::from_secs(150));
    assert!(started.elapsed() < Duration::from_secs(151));
}

#[tokio::test(start_paused = true)]
async fn a_new_object_under_an_old_name_is_a_deletion_and_a_creation() {
    let mut again = pod("a", 9);
    again["metadata"]["uid"] = "other".into();
    let mut server = serve([list(5, &[pod("a", 3)]), open(&[("MODIFIED", again)])]);
    assert_eq!(server.events(4).await, "new a, synced, gone a, new a");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lacks_what_exists_takes_nothing_away() {
    let mut server = serve([
        list(5, &[pod("a", 3), pod("b", 4)]),
        ended(&[("ERROR", expired())]),
        list(30, &[]),
        whole(200, &pod("a", 3)),
        whole(200, &pod("b", 4)),
        list(31, &[pod("a", 3), pod("b", 4), pod("c", 31)]),
        open(&[]),
    ]);
    assert_eq!(server.events(3).await, "new a, new b, synced");
    assert_eq!(server.events(2).await, "new c, synced");
    assert_eq!(server.cache.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_an_earlier_state_is_no_news_until_the_cluster_insists_on_it() {
    let earlier = || list(4, &[pod("a", 3)]);
    let begin = [list(8, &[pod("a", 7)]), ended(&[("ERROR", expired())])];
    let end = [whole(200, &pod("a", 3)), open(&[])];
    let mut server = serve(begin.into_iter().chain((0..5).map(|_| earlier())).chain(end));
    let started = tokio::time::Instant::now();
    assert_eq!(server.events(2).await, "new a, synced");
    assert_eq!(server.events(2).await, "changed a, synced");
    assert!(started.elapsed() > Duration::from_secs(1));
    for _ in 0..8 {
        server.asked().await;
    }
    assert!(server.asked().await.ends_with("resourceVersion=4"));
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_event_is_not_missed() {
    let garbage = StreamBody::new(futures::stream::iter([Ok(http_body::Frame::data(Bytes::from_static(b"{\"type\":\xff}\n")))]));
    let mut server = serve([list(5, &[]), (200, garbage.boxed_unsync()), list(9, &[pod("a", 9)]), open(&[])]);
    assert_eq!(server.events(3).await, "synced, new a, synced");
}
