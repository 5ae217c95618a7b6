//! Stopping and starting again finds everything as it was.

use crate::fleet::{Fleet, manifest};

#[test]
fn everything_is_as_it_was_after_a_restart_and_an_unjoined_cluster_stays_unjoined() {
    let Some(mut fleet) = Fleet::demo("v1.36", &[]) else { return };
    fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml")]);
    fleet.hub(&["wait", "federateddeployment/webapp", "-n", "production", "--for=condition=Propagation", "--timeout=30s"]);
    let unjoin = ["unjoin", "cluster3", "--cluster-context", "cluster3-context", "--host-cluster-context", "host-context"];
    assert_eq!(fleet.kubefedctl(&unjoin).code, 0);
    let servers = fleet.hub(&["config", "view", "-o", "jsonpath={.clusters[*].cluster.server}"]);
    let uid = fleet.member("cluster1", &["get", "deploy/webapp", "-n", "production", "-o", "jsonpath={.metadata.uid}"]);

    assert_eq!(fleet.terminate(), 0);
    fleet.start_again(&[]);

    assert_eq!(fleet.hub(&["config", "view", "-o", "jsonpath={.clusters[*].cluster.server}"]), servers);
    assert_eq!(fleet.member("cluster1", &["get", "deploy/webapp", "-n", "production", "-o", "jsonpath={.metadata.uid}"]), uid);
    let joined = fleet.hub(&["get", "kubefedclusters", "-n", "kube-federation-system", "-o", "name"]);
    assert_eq!(joined.lines().count(), 2, "{joined}");
    // Federation goes on where it was.
    fleet.member("cluster2", &["scale", "deployment/webapp", "-n", "production", "--replicas=1"]);
    fleet.member("cluster2", &["wait", "deployment/webapp", "-n", "production", "--for=jsonpath={.spec.replicas}=3", "--timeout=20s"]);
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let Some(mut fleet) = Fleet::demo("v1.36", &["--members=1"]) else { return };
    for n in 0..5 {
        fleet.hub(&["create", "configmap", &format!("kept-{n}"), "--from-literal=k=v"]);
    }
    fleet.kill();
    fleet.start_again(&["--members=1"]);
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
