use std::{
    collections::BTreeMap,
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use comity_core::{Value, json, object};
use http::{Method, Request, Response};
use kube::client::Body;
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::{
    arbitrate::{Adopt, Refusal},
    client::DeleteOptions,
    copies::{OnCopy, Seen},
    copy::tests::{mark, target},
    job::{Apply, Delete},
};

/// A member with one namespace and ConfigMaps in it; tells every request.
#[derive(Default)]
struct Api {
    objects: Mutex<BTreeMap<String, Value>>,
    namespace: AtomicBool,
    silent: AtomicBool,
    busy: AtomicBool,
    hold: Mutex<Option<Arc<Notify>>>,
    asked: Mutex<Vec<String>>,
    revision: Mutex<u64>,
}

impl Api {
    fn answer(&self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let missing = |kind: &str, name: &str| {
            (
                404,
                json!({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found", "details": {"kind": kind, "name": name}}),
            )
        };
        let conflict = || (409, json!({"kind": "Status", "code": 409, "reason": "Conflict", "message": "conflict"}));
        if *method == Method::POST && path == "/api/v1/namespaces" {
            self.namespace.store(true, Ordering::SeqCst);
            return (201, body.clone());
        }
        let mut objects = self.objects.lock();
        let live = objects.get(&name).cloned();
        match *method {
            Method::GET => live.map_or_else(|| missing("configmaps", &name), |live| (200, live)),
            Method::DELETE => {
                let Some(live) = live else { return missing("configmaps", &name) };
                if body["preconditions"]["resourceVersion"] != live["metadata"]["resourceVersion"] {
                    return conflict();
                }
                objects.remove(&name);
                (200, json!({"kind": "Status", "status": "Success"}))
            }
            // the record of an adoption: what it changes is looked at elsewhere
            Method::PATCH if body.is_array() => live.map_or_else(|| missing("configmaps", &name), |live| (200, live)),
            _ if !self.namespace.load(Ordering::SeqCst) => missing("namespaces", "ns"),
            _ => {
                let uid = body["metadata"]["uid"].as_str();
                if uid.is_some() && uid != live.as_ref().map(object::uid) {
                    return conflict();
                }
                let mut stored = body.clone();
                let mut revision = self.revision.lock();
                *revision += 1;
                let uid = live.as_ref().map_or_else(|| format!("uid-{revision}"), |live| object::uid(live).to_owned());
                stored["metadata"]["uid"] = uid.into();
                stored["metadata"]["resourceVersion"] = revision.to_string().into();
                objects.insert(name, stored.clone());
                (200, stored)
            }
        }
    }

    fn client(self: &Arc<Self>) -> ClusterClient {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (head, body) = request.into_parts();
                api.asked.lock().push(format!("{} {}", head.method, head.uri.path()));
                if api.silent.load(Ordering::SeqCst) {
                    return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
                }
                if api.busy.load(Ordering::SeqCst) {
                    let busy = json!({"kind": "Status", "code": 429, "message": "too many requests", "details": {"retryAfterSeconds": 20}});
                    return Ok(Response::builder().status(429).body(Body::from(busy.to_string().into_bytes())).unwrap());
                }
                let hold = api.hold.lock().clone();
                if let Some(hold) = hold {
                    hold.notified().await;
                }
                let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap_or_default();
                let (code, answer) = api.answer(&head.method, head.uri.path(), &body);
                Ok(Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap())
            }
        });
        ClusterClient::new(kube::Client::new(service, "default"))
    }
}

struct Bench {
    api: Arc<Api>,
    lane: Lane,
    copies: Arc<Copies>,
    reports: mpsc::UnboundedReceiver<String>,
    touched: Arc<Mutex<Vec<String>>>,
}

fn bench() -> Bench {
    bench_with(Backlog::default())
}

fn bench_with(backlog: Backlog) -> Bench {
    let api = Arc::new(Api::default());
    api.namespace.store(true, Ordering::SeqCst);
    let (tell, reports) = mpsc::unbounded_channel();
    let lane = Lane::new(LaneOptions {
        cluster: "c".into(),
        epoch: 3,
        concurrency: 2.into(),
        backlog,
        on_report: Arc::new(move |report| {
            let result = match &report.result {
                Ok(done) => format!("{done:?}"),
                Err(failure) => format!("{:?} failed: {}", failure.step, failure.trouble),
            };
            tell.send(format!("{} {result}", report.name)).ok();
        }),
        on_silence: Arc::new(|| {}),
        on_standing: Arc::new(|_| {}),
    });
    lane.lease(Tenure::Unguarded);
    lane.connect(Some(api.client()));
    let touched: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = touched.clone();
    let on_copy: OnCopy = Arc::new(move |_: &str, name: &str| tell.lock().push(name.to_owned()));
    let copies = Copies::new(Arc::new(target()), "h".into(), on_copy, Arc::new(|| {}));
    Bench { api, lane, copies, reports, touched }
}

fn config_map(name: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "ns", "labels": {"kubefed.io/managed": "true"}}, "data": {"k": text}})
}

fn apply(name: &str, text: &str, uid: Option<&str>) -> Job {
    let object = config_map(name, text);
    let content = comity_core::digest::of(&object);
    let namespace = Some(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}));
    let (object, namespace) = (Arc::new(object), namespace.map(Arc::new));
    Job::Apply(Box::new(Apply { object, content, uid: uid.map(str::to_owned), adopt: Adopt::Adopt, namespace, keep_additions: false }))
}

impl Bench {
    fn submit(&self, name: &str, job: Job) {
        self.lane.submit(&self.copies, "ns", name, job, Urgency::User);
    }

    async fn report(&mut self) -> String {
        self.reports.recv().await.unwrap()
    }

    fn asked(&self) -> String {
        std::mem::take(&mut *self.api.asked.lock()).join("\n")
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_looked_for_before_it_is_made_and_the_index_shows_it_at_once() {
    let mut bench = bench();
    bench.submit("n", apply("n", "v", None));
    assert_eq!(bench.report().await, "n Created");
    assert_eq!(bench.asked(), "GET /api/v1/namespaces/ns/configmaps/n\nPATCH /api/v1/namespaces/ns/configmaps/n");
    let Seen::Present(copy) = bench.copies.see("ns", "n") else { panic!("the index does not show it") };
    assert!(copy.is_as_applied(comity_core::digest::of(&config_map("n", "v"))));
    assert!(bench.lane.attempt(&bench.copies, "ns", "n").is_none(), "nothing is left to say");
}

#[tokio::test(start_paused = true)]
async fn a_missing_namespace_is_made_on_the_way() {
    let mut bench = bench();
    bench.api.namespace.store(false, Ordering::SeqCst);
    bench.submit("n", apply("n", "v", None));
    assert_eq!(bench.report().await, "n Created");
    assert!(bench.asked().contains("POST /api/v1/namespaces"));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_not_the_planned_one_is_looked_at() {
    let mut bench = bench();
    bench.submit("n", apply("n", "v", Some("gone")));
    assert_eq!(bench.report().await, "n Created");
    assert_eq!(
        bench.asked(),
        "GET /api/v1/namespaces/ns/configmaps/n\nPATCH /api/v1/namespaces/ns/configmaps/n",
        "nothing is known of it, so it is looked at first"
    );
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_another_is_neither_written_nor_deleted() {
    let mut bench = bench();
    let mut theirs = config_map("n", "theirs");
    theirs["metadata"]["uid"] = "u".into();
    theirs["metadata"]["resourceVersion"] = "9".into();
    mark("another-hub", &target().owner_kind).put_on(&mut theirs);
    bench.api.objects.lock().insert("n".to_owned(), theirs.clone());
    bench.submit("n", apply("n", "v", None));
    assert_eq!(bench.report().await, "n Update failed: the object belongs to hub another-hub (FederatedConfigMap.types.kubefed.io ns/n)");
    let delete = Delete { uid: "u".to_owned(), resource_version: "8".to_owned(), options: DeleteOptions::default() };
    bench.submit("n", Job::Delete(delete));
    assert_eq!(bench.report().await, "n Delete failed: the object belongs to hub another-hub (FederatedConfigMap.types.kubefed.io ns/n)");
    assert_eq!(bench.api.objects.lock()["n"], theirs);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_changed_since_is_deleted_in_its_new_state() {
    let mut bench = bench();
    bench.submit("n", apply("n", "v", None));
    bench.report().await;
    let Seen::Present(copy) = bench.copies.see("ns", "n") else { panic!("the index does not show it") };
    let delete = Delete { uid: copy.uid.to_string(), resource_version: "old".to_owned(), options: DeleteOptions::default() };
    bench.submit("n", Job::Delete(delete));
    assert_eq!(bench.report().await, "n Deleted");
    assert!(matches!(bench.copies.see("ns", "n"), Seen::Unknown(_)), "the record is gone; no list has been read");
    assert!(bench.api.objects.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_is_not_repeated_before_its_time_and_another_one_is_not_held() {
    let mut bench = bench();
    let mut theirs = config_map("n", "theirs");
    object::set(&mut theirs, &["metadata", "labels", "kubefed.io/managed"], "false".into());
    bench.api.objects.lock().insert("n".to_owned(), theirs);
    bench.submit("n", apply("n", "v", None));
    bench.report().await;
    let Some(Attempt::Failed { failure, retry_at, .. }) = bench.lane.attempt(&bench.copies, "ns", "n") else {
        panic!("the failure is forgotten")
    };
    assert!(matches!(failure.trouble, Trouble::Refused(Refusal::ManagedLabelFalse)));
    bench.asked();
    bench.submit("n", apply("n", "v", None));
    tokio::task::yield_now().await;
    assert_eq!(bench.asked(), "");
    bench.submit("n", apply("n", "other", None));
    assert!(bench.report().await.contains("failed"));
    tokio::time::sleep_until(retry_at + Duration::from_secs(60)).await;
    bench.submit("n", apply("n", "v", None));
    assert!(bench.report().await.contains("failed"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_asked_by_one_job_at_a_time_and_loses_none() {
    let mut bench = bench();
    bench.api.silent.store(true, Ordering::SeqCst);
    for name in ["a", "b", "c", "d"] {
        bench.submit(name, apply(name, "v", None));
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = bench.asked().lines().count();
    assert!((4..20).contains(&asked), "{asked} requests within a minute of silence");
    assert_eq!(bench.lane.pending(), 4);
    bench.api.silent.store(false, Ordering::SeqCst);
    bench.lane.resume();
    let mut reports = vec![bench.report().await, bench.report().await, bench.report().await, bench.report().await];
    reports.sort();
    assert_eq!(reports, ["a Created", "b Created", "c Created", "d Created"]);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_called_back_when_there_is_some_and_does_not_stand_in_the_way_of_an_edit() {
    let mut bench = bench_with(Backlog::new(2, 100));
    let hold = Arc::new(Notify::new());
    *bench.api.hold.lock() = Some(hold.clone());
    let routine = |name: &str| bench.lane.submit(&bench.copies, "ns", name, apply(name, "v", None), Urgency::Resync);
    for name in ["a", "b", "c", "d", "e", "f"] {
        routine(name);
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.lane.pending(), 6, "those without room are pending too");
    assert!(matches!(bench.lane.attempt(&bench.copies, "ns", "f"), Some(Attempt::Pending { .. })));
    bench.submit("edited", apply("edited", "v", None));
    bench.touched.lock().clear();
    *bench.api.hold.lock() = None;
    hold.notify_waiters();
    let mut reports = Vec::new();
    for _ in 0..5 {
        reports.push(bench.report().await);
    }
    assert_eq!(reports[2], "edited Created");
    assert!(bench.lane.attempt(&bench.copies, "ns", "f").is_none());
    for name in ["e", "f"] {
        assert!(bench.touched.lock().iter().any(|told| told == name), "{name} was not called back");
        bench.lane.submit(&bench.copies, "ns", name, apply(name, "v", None), Urgency::Resync);
        assert_eq!(bench.report().await, format!("{name} Created"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waited_behind_many_says_what_it_said() {
    let mut bench = bench();
    let hold = Arc::new(Notify::new());
    *bench.api.hold.lock() = Some(hold.clone());
    for number in 0..100 {
        let name = format!("n{number}");
        bench.submit(&name, apply(&name, "v", None));
        tokio::task::yield_now().await;
    }
    bench.api.namespace.store(false, Ordering::SeqCst);
    *bench.api.hold.lock() = None;
    hold.notify_waiters();
    for _ in 0..100 {
        assert!(bench.report().await.ends_with("Created"));
    }
    assert_eq!(bench.api.objects.lock()["n99"]["data"]["k"], "v");
}

#[tokio::test(start_paused = true)]
async fn a_newer_wish_replaces_the_one_that_waits() {
    let mut bench = bench();
    let hold = Arc::new(Notify::new());
    *bench.api.hold.lock() = Some(hold.clone());
    bench.submit("n", apply("n", "1", None));
    tokio::task::yield_now().await;
    bench.submit("n", apply("n", "2", None));
    bench.submit("n", apply("n", "3", None));
    *bench.api.hold.lock() = None;
    hold.notify_one();
    assert_eq!((bench.report().await.as_str(), bench.report().await.as_str()), ("n Created", "n Updated"));
    assert_eq!(bench.api.objects.lock()["n"]["data"]["k"], "3");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_has_too_much_to_do_is_left_alone_for_as_long_as_it_says() {
    let mut bench = bench();
    bench.api.busy.store(true, Ordering::SeqCst);
    bench.submit("a", apply("a", "v", None));
    assert_eq!(bench.report().await, "a Retrieve failed: too many requests");
    bench.asked();
    for name in ["b", "c", "d"] {
        bench.submit(name, apply(name, "v", None));
    }
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(bench.asked(), "");
    bench.api.busy.store(false, Ordering::SeqCst);
    let mut reports = vec![bench.report().await, bench.report().await, bench.report().await];
    reports.sort();
    assert_eq!(reports, ["b Created", "c Created", "d Created"]);
}

#[tokio::test(start_paused = true)]
async fn jobs_on_a_dead_connection_do_not_keep_others_waiting() {
    let mut bench = bench();
    *bench.api.hold.lock() = Some(Arc::new(Notify::new()));
    for name in ["a", "b"] {
        bench.submit(name, apply(name, "v", None));
    }
    tokio::task::yield_now().await;
    *bench.api.hold.lock() = None;
    bench.submit("c", apply("c", "v", None));
    let started = Instant::now();
    bench.lane.connect(Some(bench.api.client()));
    assert_eq!(bench.report().await, "c Created");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(bench.lane.attempt(&bench.copies, "ns", "a").is_none(), "who is told asks again");
}

fn closed_bench(tenure: Tenure) -> Bench {
    let bench = bench();
    bench.lane.reset_fence(["FederatedConfigMap.types.kubefed.io".to_owned()]);
    bench.lane.lease(tenure);
    bench
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_of_a_member_before_its_copies_have_been_compared() {
    let mut bench = closed_bench(Tenure::Unguarded);
    bench.submit("n", apply("n", "v", None));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.asked(), "");
    bench.lane.examined("FederatedConfigMap.types.kubefed.io");
    assert_eq!(bench.report().await, "n Created");
}

#[tokio::test(start_paused = true)]
async fn an_old_hub_writes_nothing_and_says_why() {
    let mut bench = closed_bench(Tenure::Unguarded);
    bench.submit("waiting", apply("waiting", "v", None));
    bench.lane.behind("the Lease names revision 9");
    for name in ["waiting", "later"] {
        if name == "later" {
            bench.submit(name, Job::Delete(Delete { uid: "u".into(), resource_version: "1".into(), options: DeleteOptions::default() }));
        }
        let report = bench.report().await;
        assert!(report.starts_with(name) && report.contains("comity hub recover") && report.contains("revision 9"), "{report}");
    }
    assert_eq!(bench.asked(), "");
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_for_another_holder_is_done_as_soon_as_the_lease_is_ours() {
    let mut bench = closed_bench(Tenure::Other("other_1".into()));
    bench.lane.open();
    bench.submit("n", apply("n", "v", None));
    assert!(bench.report().await.contains("other_1"));
    bench.lane.lease(Tenure::Until(Instant::now() + Duration::from_secs(30)));
    assert!(bench.lane.attempt(&bench.copies, "ns", "n").is_none(), "the refusal holds nothing up");
    bench.submit("n", apply("n", "v", None));
    assert_eq!(bench.report().await, "n Created");
}
