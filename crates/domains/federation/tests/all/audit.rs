//! What the hub asks of a real member, as the member's own audit log tells it.

use std::{fs, path::Path, time::Duration};

use comity_core::{Value, condition, json, object};
use comity_testkit::{Cluster, Kind};
use comity_testkit_core::{
    cache,
    real::{Parts, RealCluster},
};

use crate::{
    drift::{federated, workload},
    world::{World, alone, apply, gvr},
};

const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
/// Copies of each kind.
const COPIES: usize = 20;

/// The requests of the hub's user that succeeded, since a line of the log: verb, resource, name.
fn requests(log: &Path, since: usize) -> Vec<(String, String, String)> {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().skip(since).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // what was refused has changed nothing: the first object of a namespace finds that the namespace is missing
    let own = lines.filter(|event| event["user"]["username"] == "admin" && event["responseStatus"]["code"].as_u64() < Some(300));
    let text = |event: &Value, path: &[&str]| object::str_at(event, path).to_owned();
    own.map(|e| (text(&e, &["verb"]), text(&e, &["objectRef", "resource"]), text(&e, &["objectRef", "name"]))).collect()
}

fn lines(log: &Path) -> usize {
    fs::read_to_string(log).unwrap().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_looks_at_everything_again_writes_nothing() {
    let test = "the audit log of a real member";
    let Some(programs) = cache::tool_or_skip(test, RealCluster::find(Parts::ApiServer)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (policy, log) = (folder.path().join("policy.yaml"), folder.path().join("audit.log"));
    fs::write(&policy, POLICY).unwrap();
    let programs = programs
        .flag(&format!("--audit-policy-file={}", policy.display()))
        .flag(&format!("--audit-log-path={}", log.display()))
        .flag("--audit-log-mode=blocking");
    let alone = alone().await;
    let hub = Cluster::start(test, "hub", Kind::EmbeddedHub).await.unwrap();
    let member = Cluster::of_programs("cluster1", programs).await;
    let mut world = World::over(vec![hub, member], Some(alone)).await;
    apply(&world.hub, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drift"}})).await;

    let kinds = [
        ("ConfigMap", "configmaps", json!({"data": {"k": "v"}})),
        ("Deployment", "deployments", workload(0)),
        ("Service", "services", json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}})),
        ("Secret", "secrets", json!({"stringData": {"k": "v"}})),
    ];
    for (kind, plural, template) in &kinds {
        for index in 0..COPIES {
            world.apply(&federated(kind, &format!("c{index}"), template.clone())).await;
        }
        let status = world.watch(&world.hub, gvr("types.kubefed.io", &format!("federated{plural}")));
        let all = |o: usize| move |n: usize| n == o;
        let done = all(COPIES);
        status.until(kind, |cache| done(cache.list().iter().filter(|o| condition::is_true(o, "Propagation")).count()).then_some(())).await;
    }
    let mutating = |since: usize| -> Vec<(String, String, String)> {
        let writes = ["create", "update", "patch", "delete", "deletecollection"];
        // the hub's Lease is renewed whatever happens
        let about = |(verb, resource, _): &(String, String, String)| writes.contains(&verb.as_str()) && resource != "leases";
        requests(&log, since).into_iter().filter(about).collect()
    };
    assert_eq!(mutating(0).iter().filter(|(_, resource, _)| resource == "configmaps").count(), COPIES, "one write made each copy");

    // unrelated metadata on the hub, and then a restart
    let since = lines(&log);
    for index in 0..COPIES {
        let mut touched = federated("ConfigMap", &format!("c{index}"), json!({"data": {"k": "v"}}));
        object::set(&mut touched, &["metadata", "annotations", "note"], "touched".into());
        world.apply(&touched).await;
    }
    world.restart().await;
    let looked = |since: usize| {
        let seen: std::collections::BTreeSet<(String, String)> = requests(&log, since)
            .into_iter()
            .filter(|(verb, _, name)| verb == "get" && name.starts_with('c'))
            .map(|(_, resource, name)| (resource, name))
            .collect();
        kinds.iter().all(|(_, plural, _)| seen.iter().filter(|(resource, _)| resource == plural).count() == COPIES)
    };
    // a file tells nobody when it grows
    let patience = tokio::time::timeout(Duration::from_secs(60), async {
        let mut again = tokio::time::interval(Duration::from_millis(50));
        while !looked(since) {
            again.tick().await;
        }
    });
    assert!(patience.await.is_ok(), "the restarted hub has not looked at every copy: {:?}", requests(&log, since));
    // whatever was under way has ended when a last object has arrived
    world.apply(&federated("ConfigMap", "last", json!({"data": {"k": "v"}}))).await;
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federatedconfigmaps"));
    status.object("the last one", "drift", "last", |o| condition::is_true(o, "Propagation")).await;
    // the hub's claim on the member is renewed while it is connected, whether there is work or not
    let is_claim = |resource: &str, name: &str| resource == "leases" && name.starts_with("comity-hub-");
    let others: Vec<_> = mutating(since).into_iter().filter(|(_, resource, name)| name != "last" && !is_claim(resource, name)).collect();
    assert!(others.is_empty(), "{others:?}");
}
