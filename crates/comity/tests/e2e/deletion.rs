//! Deletions that are held, and deletions for a member that is away, with the built binary and stock clients.

use crate::fleet::{Fleet, SYSTEM};

fn map(name: &str, namespace: &str, placement: &str) -> String {
    format!(
        "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{template: {{data: {{mode: fast}}}}, placement: {placement}}}\n"
    )
}

const EVERYWHERE: &str = "{clusterSelector: {}}";

/// A namespace that is deleted on the hub keeps its copies; a kill of the hub does not change that; an id lets them go.
pub(crate) fn namespace(fleet: &mut Fleet) {
    fleet.namespace("held");
    fleet.apply(&map("settings", "held", EVERYWHERE));
    let object = "federatedconfigmap/settings";
    fleet.wait(object, "held", "condition=Propagation");
    fleet.hub(&["delete", "namespace", "held", "--wait=false"]);
    fleet.wait(object, "held", "jsonpath={.status.clusters[1].reason}=NamespaceDeleted");
    fleet.wait("kubefedcluster/cluster1", SYSTEM, "condition=DeletionsHeld");

    fleet.end();
    fleet.start_again();
    fleet.wait("kubefedcluster/cluster1", SYSTEM, "condition=Ready");
    fleet.wait("kubefedcluster/cluster1", SYSTEM, "condition=DeletionsHeld");
    assert_eq!(fleet.member("cluster1", &["get", "configmap/settings", "-n", "held", "-o", "jsonpath={.data.mode}"]), "fast");
    let status = fleet.comity(&["status"]).stdout;
    assert!(status.contains("cluster1: DeletionsHeld: id ") && status.contains("1 NamespaceDeleted"), "{status}");
    let why = fleet.comity(&["why", "fcm", "settings", "-n", "held"]).stdout;
    assert!(why.contains("DeletionHeld") && why.contains("annotate the namespace with comity.dev/allow-deletions="), "{why}");

    fleet.hub(&["annotate", "namespace", "held", &format!("comity.dev/allow-deletions={}", id(fleet, "settings", "held"))]);
    fleet.hub(&["wait", "namespace/held", "--for=delete", "--timeout=60s"]);
    for cluster in ["cluster1", "cluster2"] {
        fleet.member(cluster, &["wait", "configmap/settings", "-n", "held", "--for=delete", "--timeout=30s"]);
    }
}

/// The id in the message of the first cluster, which lets the deletion go.
fn id(fleet: &Fleet, name: &str, namespace: &str) -> String {
    let message = fleet.hub(&["get", "fcm", name, "-n", namespace, "-o", "jsonpath={.status.clusters[0].message}"]);
    message.rsplit_once("allow-deletions=").unwrap_or_else(|| panic!("no id in {message}")).1.to_owned()
}

/// An edit that takes an object out of every cluster waits for a word.
pub(crate) fn placement(fleet: &mut Fleet) {
    fleet.namespace("emptied");
    fleet.apply(&map("settings", "emptied", EVERYWHERE));
    let object = "federatedconfigmap/settings";
    fleet.wait(object, "emptied", "condition=Propagation");
    fleet.apply(&map("settings", "emptied", "{clusters: []}"));
    fleet.wait(object, "emptied", "jsonpath={.status.clusters[0].status}=DeletionHeld");
    for cluster in ["cluster1", "cluster2"] {
        assert_eq!(fleet.member(cluster, &["get", "configmap/settings", "-n", "emptied", "-o", "jsonpath={.data.mode}"]), "fast");
    }
    // Put back, nothing has happened.
    fleet.apply(&map("settings", "emptied", EVERYWHERE));
    fleet.wait(object, "emptied", "condition=Propagation");
    fleet.apply(&map("settings", "emptied", "{clusters: []}"));
    fleet.wait(object, "emptied", "jsonpath={.status.clusters[0].status}=DeletionHeld");
    fleet.hub(&["annotate", object, "-n", "emptied", &format!("comity.dev/allow-deletions={}", id(fleet, "settings", "emptied"))]);
    for cluster in ["cluster1", "cluster2"] {
        fleet.member(cluster, &["wait", "configmap/settings", "-n", "emptied", "--for=delete", "--timeout=30s"]);
    }
    fleet.hub(&["delete", object, "-n", "emptied", "--timeout=30s"]);
}

/// The object goes without a member that is away; its copies go when the member returns, but for one that has an owner again.
pub(crate) fn tombstones(fleet: &mut Fleet) {
    fleet.namespace("away");
    fleet.apply(
        "{apiVersion: core.kubefed.io/v1beta1, kind: KubeFedConfig, spec: {scope: Cluster}, \
         metadata: {name: kubefed, namespace: kube-federation-system, annotations: {comity.dev/defer-after: 2s}}}",
    );
    for name in ["gone", "back"] {
        fleet.apply(&map(name, "away", EVERYWHERE));
        fleet.wait(&format!("federatedconfigmap/{name}"), "away", "condition=Propagation");
    }
    let has = |fleet: &Fleet, name: &str| fleet.member("cluster2", &["get", "configmaps", "-n", "away", "-o", "name"]).contains(name);
    fleet.kill_member("cluster2");
    fleet.wait("kubefedcluster/cluster2", SYSTEM, "condition=Offline");
    fleet.hub(&["delete", "federatedconfigmap", "gone", "back", "-n", "away", "--timeout=60s"]);
    fleet.wait("kubefedcluster/cluster2", SYSTEM, "condition=DeletionsDeferred");
    let why = fleet.comity(&["why", "fcm", "gone", "-n", "away"]).stdout;
    assert!(why.contains("cluster2"), "{why}");

    // What is remembered survives the hub's end; a new object takes its copy over.
    fleet.end();
    fleet.start_again();
    fleet.apply(&map("back", "away", EVERYWHERE));
    fleet.start_member("cluster2");
    fleet.wait("federatedconfigmap/back", "away", "condition=Propagation");
    fleet.until("the copy without an owner goes", || !has(fleet, "gone"));
    assert!(has(fleet, "back"));
    fleet.until("nothing is to be deleted any more", || {
        let conditions = ["get", "kubefedcluster/cluster2", "-n", SYSTEM, "-o", "jsonpath={.status.conditions[*].type}"];
        !fleet.hub(&conditions).contains("DeletionsDeferred")
    });
    fleet.hub(&["delete", "kubefedconfig", "kubefed", "-n", SYSTEM]);
    fleet.hub(&["delete", "federatedconfigmap", "back", "-n", "away", "--timeout=30s"]);
}
