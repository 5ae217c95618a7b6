//! Deletions that are held, and deletions for a member that is away, with the built binary and stock clients.

use crate::fleet::Fleet;

const MAP: &str = "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedConfigMap\nmetadata: {name: settings, namespace: shop}\n\
                   spec: {template: {data: {mode: fast}}, placement: {clusterSelector: {}}}\n";

#[test]
fn a_namespace_deleted_on_the_hub_keeps_its_copies_and_a_kill_does_not_change_that() {
    let Some(mut fleet) = Fleet::demo("v1.36", &["--members=2"]) else { return };
    assert_eq!(fleet.try_hub_with(&["apply", "-f", "-"], MAP).code, 0);
    fleet.hub(&["wait", "federatedconfigmap/settings", "-n", "shop", "--for=condition=Propagation", "--timeout=30s"]);
    fleet.hub(&["delete", "namespace", "shop", "--wait=false"]);
    let held = "--for=jsonpath={.status.clusters[1].reason}=NamespaceDeleted";
    fleet.hub(&["wait", "federatedconfigmap/settings", "-n", "shop", held, "--timeout=30s"]);
    fleet.hub(&["wait", "kubefedcluster/cluster1", "-n", "kube-federation-system", "--for=condition=DeletionsHeld", "--timeout=30s"]);

    fleet.kill();
    fleet.start_again(&["--members=2"]);
    fleet.hub(&["wait", "kubefedcluster/cluster1", "-n", "kube-federation-system", "--for=condition=Ready", "--timeout=30s"]);
    fleet.hub(&["wait", "kubefedcluster/cluster1", "-n", "kube-federation-system", "--for=condition=DeletionsHeld", "--timeout=30s"]);
    assert_eq!(fleet.member("cluster1", &["get", "configmap/settings", "-n", "shop", "-o", "jsonpath={.data.mode}"]), "fast");
    let status = fleet.comity(&["status"]).stdout;
    assert!(status.contains("cluster1: DeletionsHeld: id ") && status.contains("1 NamespaceDeleted"), "{status}");
    let why = fleet.comity(&["why", "fcm", "settings", "-n", "shop"]).stdout;
    assert!(why.contains("DeletionHeld") && why.contains("annotate the namespace with comity.dev/allow-deletions="), "{why}");

    let message = fleet.hub(&["get", "fcm", "settings", "-n", "shop", "-o", "jsonpath={.status.clusters[0].message}"]);
    let id = message.rsplit_once("allow-deletions=").unwrap().1;
    fleet.hub(&["annotate", "namespace", "shop", &format!("comity.dev/allow-deletions={id}")]);
    fleet.hub(&["wait", "namespace/shop", "--for=delete", "--timeout=60s"]);
    for cluster in ["cluster1", "cluster2"] {
        fleet.member(cluster, &["wait", "configmap/settings", "-n", "shop", "--for=delete", "--timeout=30s"]);
    }
}
