//! Leaving, and joining wrongly.

use crate::fleet::{Fleet, manifest};

pub(crate) fn unjoins(fleet: &mut Fleet) {
    fleet.namespace("production");
    fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml")]);
    fleet.hub(&["wait", "federateddeployment/webapp", "-n", "production", "--for=condition=Propagation", "--timeout=30s"]);
    let unjoined = fleet.kubefedctl(&[
        "unjoin",
        "cluster1",
        "--cluster-context",
        "cluster1-context",
        "--host-cluster-context",
        "host-context",
        "--v=2",
    ]);
    assert_eq!(unjoined.code, 0, "{}", unjoined.stderr);

    assert!(!fleet.hub(&["get", "kubefedclusters", "-n", "kube-federation-system", "-o", "name"]).contains("cluster1"));
    assert!(!fleet.hub(&["get", "secrets", "-n", "kube-federation-system", "-o", "name"]).contains("cluster1-"));
    fleet.member("cluster1", &["wait", "namespace/kube-federation-system", "--for=delete", "--timeout=20s"]);
    let roles = fleet.member("cluster1", &["get", "clusterroles,clusterrolebindings", "-o", "name"]);
    assert!(!roles.contains("kubefed-controller-manager"), "{roles}");
    let missing = "--for=jsonpath={.status.clusters[?(@.name==\"cluster1\")].status}=ClusterNotJoined";
    fleet.hub(&["wait", "federateddeployment/webapp", "-n", "production", missing, "--timeout=20s"]);
    assert_eq!(fleet.member("cluster1", &["get", "deploy/webapp", "-n", "production", "-o", "jsonpath={.spec.replicas}"]), "5");

    // It may come back.
    let joined = fleet.kubefedctl(&["join", "cluster1", "--cluster-context", "cluster1-context", "--host-cluster-context", "host-context"]);
    assert_eq!(joined.code, 0, "{}", joined.stderr);
    fleet.hub(&["wait", "federateddeployment/webapp", "-n", "production", "--for=condition=Propagation", "--timeout=20s"]);
}

/// On a fleet of which no cluster is joined.
pub(crate) fn wrong_joins(fleet: &mut Fleet) {
    let join = |args: &[&str]| fleet.kubefedctl(&[&["join"], args, &["--host-cluster-context", "host-context"]].concat());
    let before = fleet.member("cluster1", &["get", "clusterroles,clusterrolebindings", "-o", "name"]);

    let ran = join(&["cluster1", "--cluster-context", "nowhere"]);
    assert_eq!(ran.code, 255);
    assert!(ran.stderr.contains("Error: context \"nowhere\" does not exist"), "{}", ran.stderr);
    for context in ["cluster1-context, ", "cluster2-context, ", "host-context"] {
        assert!(ran.stderr.contains(context), "{}", ran.stderr);
    }

    let ran = join(&["Not_A_Name", "--cluster-context", "cluster1-context"]);
    assert_eq!(ran.code, 255);
    assert!(ran.stderr.contains("cluster name \"Not_A_Name\" is not valid"), "{}", ran.stderr);

    let ran = fleet.kubefedctl(&["--kubeconfig=/nonexistent/config", "join", "cluster1", "--cluster-context", "cluster1-context"]);
    assert_eq!(ran.code, 255);
    assert!(ran.stderr.contains("/nonexistent/config") && ran.stderr.contains("No such file"), "{}", ran.stderr);

    // Into a cluster that is no hub.
    let ran =
        fleet.kubefedctl(&["join", "cluster1", "--cluster-context", "cluster1-context", "--host-cluster-context", "cluster2-context"]);
    assert_eq!(ran.code, 255);
    assert!(ran.stderr.contains("Is a KubeFed control plane running there?"), "{}", ran.stderr);

    assert_eq!(fleet.member("cluster1", &["get", "clusterroles,clusterrolebindings", "-o", "name"]), before);
    assert!(fleet.try_member("cluster1", &["get", "namespace", "kube-federation-system"]).stderr.contains("NotFound"));

    // Twice.
    assert_eq!(join(&["cluster1", "--cluster-context", "cluster1-context"]).code, 0);
    let ran = join(&["cluster1", "--cluster-context", "cluster1-context"]);
    assert_eq!(ran.code, 255);
    assert!(ran.stderr.contains("service account: cluster1-host-context already exists in joining cluster: cluster1"), "{}", ran.stderr);

    // Unjoining what is not joined.
    let ran = fleet.kubefedctl(&["unjoin", "cluster2", "--cluster-context", "cluster2-context", "--host-cluster-context", "host-context"]);
    assert_eq!(ran.code, 255);
    assert!(ran.stderr.contains("Failed to get kubefed cluster \"kube-federation-system/cluster2\""), "{}", ran.stderr);
}
