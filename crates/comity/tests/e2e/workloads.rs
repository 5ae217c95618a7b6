//! A member reads like a cluster: workloads, nodes, logs, and what is simulated says so.

use crate::fleet::{Fleet, manifest};

/// It answers for its nodes itself: no kubelet is asked.
#[test]
fn an_embedded_member_says_that_its_pods_are_simulated() {
    let Some(fleet) = Fleet::demo("v1.36", &["--members=1"]) else { return };
    fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml")]);
    fleet.member("cluster1", &["wait", "deployment/webapp", "-n", "production", "--for=create", "--timeout=20s"]);
    fleet.member("cluster1", &["rollout", "status", "deployment/webapp", "-n", "production", "--timeout=60s"]);
    let member = |args: &[&str]| fleet.member("cluster1", &[args, &["-n", "production"]].concat());
    let logs = member(&["logs", "deployment/webapp"]);
    assert!(logs.contains("simulated"), "{logs}");
    let name = member(&["get", "pods", "-o", "jsonpath={.items[0].metadata.name}"]);
    let ran = fleet.try_member("cluster1", &["exec", &name, "-n", "production", "--", "true"]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains(&format!("pod \"{name}\" is simulated: exec is not available")), "{}", ran.stderr);
}

pub(crate) fn reads_like_a_cluster(fleet: &mut Fleet) {
    fleet.namespace("production");
    fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml"), "-f", &manifest("federated-service.yaml")]);
    fleet.member("cluster1", &["wait", "deployment/webapp", "-n", "production", "--for=create", "--timeout=20s"]);
    fleet.member("cluster1", &["rollout", "status", "deployment/webapp", "-n", "production", "--timeout=60s"]);
    let member = |args: &[&str]| fleet.member("cluster1", &[args, &["-n", "production"]].concat());

    let all = member(&["get", "deploy,rs,pod,svc,endpointslices,events"]);
    for name in [
        "deployment.apps/webapp",
        "replicaset.apps/webapp-",
        "pod/webapp-",
        "service/webapp",
        "endpointslice.discovery.k8s.io/webapp-",
        "ScalingReplicaSet",
    ] {
        assert!(all.contains(name), "{name} is missing in\n{all}");
    }
    let pods = member(&["get", "pods", "-o", "wide"]);
    assert!(pods.lines().next().unwrap().contains("NAME") && pods.lines().next().unwrap().contains("READY"), "{pods}");
    assert_eq!(pods.lines().skip(1).filter(|l| l.contains("1/1") && l.contains("Running")).count(), 5, "{pods}");

    let nodes = fleet.member("cluster1", &["get", "nodes", "-l", "comity.dev/simulated=true"]);
    assert_eq!(nodes.lines().skip(1).filter(|l| l.contains(" Ready")).count(), 2, "{nodes}");

    let described = member(&["describe", "deployment", "webapp"]);
    for text in
        ["Replicas:", "5 desired | 5 updated | 5 total | 5 available | 0 unavailable", "MinimumReplicasAvailable", "ScalingReplicaSet"]
    {
        assert!(described.contains(text), "{text} is missing in\n{described}");
    }
    let slices = member(&[
        "get",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=webapp",
        "-o",
        "jsonpath={.items[*].endpoints[*].conditions.ready}",
    ]);
    assert_eq!(slices.split_whitespace().filter(|r| *r == "true").count(), 5, "{slices}");
}

/// In a cluster with nodes.
pub(crate) fn rolls_out(fleet: &mut Fleet) {
    let member = |args: &[&str]| fleet.member("cluster1", args);
    member(&["create", "deployment", "shop", "--image=shop:1", "--replicas=3"]);
    member(&["rollout", "status", "deployment/shop", "--timeout=60s"]);
    member(&["set", "image", "deployment/shop", "shop=shop:2"]);
    member(&["rollout", "status", "deployment/shop", "--timeout=60s"]);
    assert_eq!(
        member(&["get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}"])
            .split_whitespace()
            .filter(|i| *i == "shop:2")
            .count(),
        3
    );
    let history = member(&["rollout", "history", "deployment/shop"]);
    assert!(history.contains("1 ") && history.contains("2 "), "{history}");
    member(&["rollout", "undo", "deployment/shop"]);
    member(&["rollout", "status", "deployment/shop", "--timeout=60s"]);
    assert_eq!(member(&["get", "deployment/shop", "-o", "jsonpath={.spec.template.spec.containers[0].image}"]), "shop:1");
    member(&["delete", "deployment/shop", "--timeout=30s"]);
    member(&["wait", "pods", "--for=delete", "-l", "app=shop", "--timeout=60s"]);
}
