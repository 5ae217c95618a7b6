//! The tutorial page, word by word, with two versions of stock kubectl.

use crate::fleet::{Fleet, manifest};

#[test]
fn the_page_works_with_kubectl_1_32() {
    let Some(mut fleet) = Fleet::demo("v1.32", &["--join=none"]) else { return };
    the_page(&mut fleet);
}

/// On a fleet of three clusters of which none is joined.
pub(crate) fn the_page(fleet: &mut Fleet) {
    // Joining: two of three clusters.
    for name in ["cluster1", "cluster2"] {
        let context = format!("{name}-context");
        let joined = fleet.kubefedctl(&["join", name, "--cluster-context", &context, "--host-cluster-context", "host-context", "--v=2"]);
        assert_eq!((joined.code, joined.stdout.as_str()), (0, ""), "{}", joined.stderr);
        assert!(joined.stderr.contains("Created federated cluster resource"), "{}", joined.stderr);
    }
    fleet.hub(&["wait", "kubefedcluster", "--all", "--for=condition=Ready", "-n", "kube-federation-system", "--timeout=30s"]);
    let table = fleet.hub(&["get", "kubefedclusters", "-n", "kube-federation-system"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "AGE", "READY", "KUBERNETES-VERSION"]);
    assert_eq!(lines.len(), 3, "{table}");
    for (line, name) in lines[1..].iter().zip(["cluster1", "cluster2"]) {
        assert_eq!((line[0], line[2], line[3]), (name, "True", "v1.36.3"), "{table}");
    }

    // Deploying; an embedded hub needs no namespace.
    fleet.namespace("production");
    assert!(
        fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml")]).contains("federateddeployment.types.kubefed.io/webapp created")
    );
    assert!(fleet.hub(&["apply", "-f", &manifest("federated-service.yaml")]).contains("federatedservice.types.kubefed.io/webapp created"));
    for (cluster, replicas) in [("cluster1", "5"), ("cluster2", "3")] {
        fleet.member(cluster, &["wait", "deployment/webapp", "-n", "production", "--for=create", "--timeout=30s"]);
        fleet.member(cluster, &["wait", "service/webapp", "-n", "production", "--for=create", "--timeout=30s"]);
        assert_eq!(fleet.member(cluster, &["get", "deploy", "webapp", "-n", "production", "-o", "jsonpath={.spec.replicas}"]), replicas);
    }
    let missing = "jsonpath={.status.clusters[?(@.name==\"cluster3\")].status}";
    fleet.hub(&["wait", "federateddeployment/webapp", "-n", "production", &format!("--for={missing}=ClusterNotJoined"), "--timeout=30s"]);
    let condition = fleet.hub(&[
        "get",
        "federateddeployment",
        "webapp",
        "-n",
        "production",
        "-o",
        "jsonpath={.status.conditions[?(@.type==\"Propagation\")].reason}",
    ]);
    assert_eq!(condition, "CheckClusters");

    // The third cluster joins, and its copy follows.
    let joined = fleet.kubefedctl(&["join", "cluster3", "--cluster-context", "cluster3-context", "--host-cluster-context", "host-context"]);
    assert_eq!((joined.code, joined.stdout.as_str(), joined.stderr.as_str()), (0, "", ""));
    fleet.hub(&["wait", "federateddeployment/webapp", "-n", "production", "--for=condition=Propagation", "--timeout=30s"]);
    assert_eq!(fleet.member("cluster3", &["get", "deploy", "webapp", "-n", "production", "-o", "jsonpath={.spec.replicas}"]), "3");

    // It runs everywhere, and the hub says so.
    for (cluster, replicas) in [("cluster1", "5"), ("cluster2", "3"), ("cluster3", "3")] {
        let rollout = fleet.member(cluster, &["rollout", "status", "deployment/webapp", "-n", "production", "--timeout=60s"]);
        assert!(rollout.contains("deployment \"webapp\" successfully rolled out"), "{rollout}");
        let ready = fleet.member(cluster, &["get", "deploy", "webapp", "-n", "production", "-o", "jsonpath={.status.readyReplicas}"]);
        assert_eq!(ready, replicas);
    }
    fleet.hub(&["wait", "federateddeployment/webapp", "-n", "production", "--for=condition=Available", "--timeout=30s"]);
    let table = fleet.hub(&["get", "federateddeployments", "-n", "production"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "READY", "CLUSTERS", "AGE"], "{table}");
    assert_eq!(lines[1][..3], ["webapp", "11/11", "3/3"], "{table}");

    // Why it is where it is.
    let why = fleet.comity(&["why", "federateddeployment", "webapp", "-n", "production"]).ok().unwrap();
    for cluster in ["cluster1", "cluster2", "cluster3"] {
        assert!(why.contains(cluster), "{why}");
    }
    assert!(fleet.comity(&["status"]).ok().unwrap().contains("FederatedDeployment"));
}
