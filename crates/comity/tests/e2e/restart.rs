//! Stopping and starting again finds everything as it was.

use std::collections::BTreeSet;

use crate::fleet::{Fleet, Request, SYSTEM, manifest};

/// An unjoined cluster stays unjoined, nothing is written anywhere, and federation goes on where it was.
pub(crate) fn as_it_was(fleet: &mut Fleet) {
    const MAPS: [&str; 3] = ["kept-1", "kept-2", "kept-3"];
    fleet.namespace("production");
    fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml")]);
    for name in MAPS {
        fleet.apply(&format!(
            "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedConfigMap\nmetadata: {{name: {name}, namespace: production}}\n\
             spec: {{template: {{data: {{k: v}}}}, placement: {{clusterSelector: {{}}}}}}\n"
        ));
        fleet.wait(&format!("federatedconfigmap/{name}"), "production", "condition=Propagation");
    }
    fleet.wait("federateddeployment/webapp", "production", "condition=Propagation");
    for cluster in CLUSTERS {
        fleet.member(cluster, &["rollout", "status", "deployment/webapp", "-n", "production", "--timeout=60s"]);
    }
    fleet.wait("federateddeployment/webapp", "production", "condition=Available");
    let unjoin = ["unjoin", "cluster3", "--cluster-context", "cluster3-context", "--host-cluster-context", "host-context"];
    assert_eq!(fleet.kubefedctl(&unjoin).code, 0);
    let gone = "jsonpath={.status.clusters[?(@.name==\"cluster3\")].status}=ClusterNotJoined";
    fleet.wait("federateddeployment/webapp", "production", gone);
    let servers = fleet.hub(&["config", "view", "-o", "jsonpath={.clusters[*].cluster.server}"]);
    let copies = |fleet: &Fleet| {
        let all = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{'\\n'}{end}";
        let of =
            |cluster: &&str| fleet.member(cluster, &["get", "configmaps", "-n", "production", "-l", "kubefed.io/managed=true", "-o", all]);
        CLUSTERS.iter().map(of).collect::<Vec<_>>()
    };
    let before = copies(fleet);
    assert_eq!(before[0].lines().count(), 3, "{before:?}");

    assert_eq!(fleet.terminate(), 0);
    let logged: Vec<(&str, usize)> =
        CLUSTERS.iter().chain(&["host"]).filter_map(|at| Some((*at, fleet.control_plane(at)?.logged()))).collect();
    fleet.start_again();
    assert_eq!(fleet.hub(&["config", "view", "-o", "jsonpath={.clusters[*].cluster.server}"]), servers);
    let joined = fleet.hub(&["get", "kubefedclusters", "-n", SYSTEM, "-o", "name"]);
    assert_eq!(joined.lines().count(), 2, "{joined}");
    // Not a change of the template.
    fleet.hub(&["annotate", "federatedconfigmap", "kept-1", "-n", "production", "note=unrelated"]);
    for (at, since) in &logged {
        every_copy_is_looked_at(fleet, at, *since);
    }
    // Federation goes on: a drift after it is repaired, so whatever was to be written before has been written.
    fleet.member("cluster1", &["scale", "deployment/webapp", "-n", "production", "--replicas=1"]);
    fleet.member("cluster1", &["wait", "deployment/webapp", "-n", "production", "--for=jsonpath={.spec.replicas}=5", "--timeout=60s"]);
    assert_eq!(copies(fleet), before);
    for (at, since) in &logged {
        let others: Vec<Request> = writes_beside_the_repair(fleet, at, *since);
        assert!(others.is_empty(), "{at}: {others:?}");
    }
}

const CLUSTERS: [&str; 2] = ["cluster1", "cluster2"];

/// The hub's requests in a real member, or Comity's on a real hub, after so many others.
fn of_comity(fleet: &Fleet, at: &str, since: usize) -> Vec<Request> {
    let user = format!("system:serviceaccount:{SYSTEM}:{at}-host-context");
    let mut requests = fleet.control_plane(at).unwrap().requests(since);
    requests.retain(|r| if at == "host" { r.user == "admin" && !r.agent.starts_with("kube") } else { r.user == user });
    requests
}

/// In a real member: the copies are read before anything is written.
fn every_copy_is_looked_at(fleet: &Fleet, at: &str, since: usize) {
    if at == "host" {
        return;
    }
    fleet.until("every copy has been looked at after the restart", || {
        let read = of_comity(fleet, at, since)
            .into_iter()
            .filter(|r| r.verb == "get" && ["configmaps", "deployments"].contains(&r.resource.as_str()));
        let seen: BTreeSet<String> = read.map(|r| r.name).collect();
        ["kept-1", "kept-2", "kept-3", "webapp"].iter().all(|name| seen.contains(*name))
    });
}

fn writes_beside_the_repair(fleet: &Fleet, at: &str, since: usize) -> Vec<Request> {
    let mut writes = of_comity(fleet, at, since);
    // on the hub its status and its event
    let repaired = |r: &Request| ["cluster1", "host"].contains(&at) && r.name.split('.').next() == Some("webapp");
    // asked by a request that looks like a write
    let asks = |r: &Request| r.resource == "selfsubjectreviews";
    // a Lease says that the hub, or its instance, is alive: renewing it is no write of an object
    let fence = |r: &Request| r.resource == "leases" && r.name.starts_with("comity-hub");
    writes.retain(|r| r.writes() && !repaired(r) && !fence(r) && !asks(r));
    writes
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let Some(mut fleet) = Fleet::demo("v1.36", &["--members=1"]) else { return };
    for n in 0..5 {
        fleet.hub(&["create", "configmap", &format!("kept-{n}"), "--from-literal=k=v"]);
    }
    fleet.kill();
    fleet.start_again();
    for n in 0..5 {
        fleet.hub(&["get", "configmap", &format!("kept-{n}")]);
    }
}

#[test]
fn a_folder_in_use_a_taken_port_and_a_newer_format_are_clear_errors() {
    let Some(mut fleet) = Fleet::demo("v1.36", &["--members=0"]) else { return };
    let data = fleet.data().display().to_string();
    let second = fleet.comity(&["demo", "--data-dir", &data]);
    assert_eq!(second.code, 7, "{}", second.stderr);
    assert!(second.stderr.contains("is in use by process"), "{}", second.stderr);

    assert_eq!(fleet.terminate(), 0);
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(fleet.data().join("ports.json")).unwrap()).unwrap();
    let port = u16::try_from(ports["hub"].as_u64().unwrap()).unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let ran = fleet.comity(&["demo", "--data-dir", &data, "--members=0"]);
    assert_eq!(ran.code, 7, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("127.0.0.1:{port}")) && ran.stderr.contains("is taken"), "{}", ran.stderr);
    drop(taken);

    std::fs::write(fleet.data().join("format"), "99\n").unwrap();
    let ran = fleet.comity(&["demo", "--data-dir", &data, "--members=0"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("has data format 99"), "{}", ran.stderr);
}
