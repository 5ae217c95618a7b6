//! The hub or a member ends without warning.

use std::time::{Duration, Instant};

use crate::fleet::{Fleet, SYSTEM};

fn say(fleet: &Fleet, text: &str) {
    fleet.apply(&format!(
        "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedConfigMap\nmetadata: {{name: said, namespace: kills}}\n\
         spec: {{template: {{data: {{k: '{text}'}}}}, placement: {{clusterSelector: {{}}}}}}\n"
    ));
}

fn arrives(fleet: &Fleet, cluster: &str, text: &str) {
    fleet.until(&format!("{text} in {cluster}"), || {
        fleet.try_member(cluster, &["get", "configmap/said", "-n", "kills", "-o", "jsonpath={.data.k}"]).stdout == text
    });
}

/// Its API server ends: the hub says so, the others get what is written, and it catches up.
pub(crate) fn member(fleet: &mut Fleet) {
    fleet.namespace("kills");
    say(fleet, "before");
    arrives(fleet, "cluster2", "before");
    fleet.kill_member("cluster2");
    say(fleet, "meanwhile");
    arrives(fleet, "cluster1", "meanwhile");
    arrives(fleet, "cluster3", "meanwhile");
    let offline = |field: &str| format!("jsonpath={{.status.conditions[?(@.type==\"Offline\")].{field}}}");
    fleet.wait("kubefedcluster/cluster2", SYSTEM, &format!("{}=ClusterNotReachable", offline("reason")));
    fleet.wait("federatedconfigmap/said", "kills", "jsonpath={.status.clusters[?(@.name==\"cluster2\")].status}=ClusterNotReady");
    assert!(fleet.comity(&["status"]).stdout.contains("cluster2"), "it is not said");

    fleet.start_member("cluster2");
    arrives(fleet, "cluster2", "meanwhile");
    fleet.wait("kubefedcluster/cluster2", SYSTEM, "condition=Ready");
    fleet.wait("federatedconfigmap/said", "kills", "condition=Propagation");
}

/// Comity ends in the midst of work and goes on with what it finds.
pub(crate) fn hub(fleet: &mut Fleet) {
    fleet.namespace("kills");
    say(fleet, "one");
    fleet.wait("federatedconfigmap/said", "kills", "condition=Propagation");
    let uid = |fleet: &Fleet| fleet.member("cluster3", &["get", "configmap/said", "-n", "kills", "-o", "jsonpath={.metadata.uid}"]);
    let before = uid(fleet);
    say(fleet, "two");
    fleet.kill();
    fleet.member("cluster1", &["patch", "configmap/said", "-n", "kills", "--type=merge", "-p", r#"{"data":{"k":"drifted"}}"#]);
    fleet.member("cluster2", &["delete", "configmap/said", "-n", "kills"]);
    let began = Instant::now();
    fleet.start_again();
    say(fleet, "three");
    for cluster in ["cluster1", "cluster2", "cluster3"] {
        arrives(fleet, cluster, "three");
    }
    let (took, own_lease) = (began.elapsed(), Duration::from_secs(15));
    // Beside a real hub another process is another instance, which waits until the Lease of the killed one has run out.
    assert!(fleet.hub_is_real() || took < own_lease, "it waited for its own Lease: {took:?}");
    assert_eq!(uid(fleet), before);
}
