//! The real control plane and the stock clients, once around.

use comity_testkit_core::cache::{CLIENTS, tool_or_skip};
use comity_testkit_core::kubectl::Kubectl;
use comity_testkit_core::real::{Parts, RealCluster};

#[test]
fn stock_kubectl_of_both_versions_talks_to_a_real_control_plane() {
    let name = "stock kubectl talks to a real control plane";
    let Some(programs) = tool_or_skip(name, RealCluster::find(Parts::Controllers)) else { return };
    let cluster = programs.start().unwrap();
    for minor in CLIENTS {
        let Some(kubectl) = tool_or_skip(name, Kubectl::find(minor, &cluster.kubeconfig())) else { continue };
        kubectl.run(&["create", "namespace", &minor.replace('.', "-")]).unwrap().ok().unwrap();
        // Only the controller manager makes it.
        let wait = ["wait", "--for=create", "serviceaccount/default", "--timeout=60s", "-n", &minor.replace('.', "-")];
        kubectl.run(&wait).unwrap().ok().unwrap();
        let missing = kubectl.run(&["get", "pod", "nobody"]).unwrap().refused().unwrap();
        assert_eq!(missing, "Error from server (NotFound): pods \"nobody\" not found\n");
    }
}
