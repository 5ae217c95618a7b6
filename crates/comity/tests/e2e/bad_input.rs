//! Wrong input: refused with Kubernetes' texts and nothing stored, or stored and named while the other clusters go on.

use crate::fleet::Fleet;

fn federated(body: &str) -> String {
    format!("apiVersion: types.kubefed.io/v1beta1\nkind: FederatedConfigMap\nmetadata: {{name: settings, namespace: shop}}\n{body}\n")
}

pub(crate) fn what_the_api_refuses(fleet: &mut Fleet) {
    fleet.hub(&["create", "namespace", "refused"]);
    let refused = |text: &str, flags: &[&str]| {
        let text = &text.replace("namespace: shop", "namespace: refused");
        let ran = fleet.try_hub_with(&[&["apply", "-f", "-"], flags].concat(), text);
        assert_eq!(ran.code, 1, "{text}\n{}", ran.stdout);
        ran.stderr
    };
    let error = refused("kind: [", &[]);
    assert!(error.contains("error parsing"), "{error}");
    let error = refused(&federated("spec: {template: text}"), &[]);
    assert!(
        error.contains("spec.template: Invalid value: \"string\": spec.template in body must be of type object: \"string\""),
        "{error}"
    );
    let error = refused(&federated("spec: {template: {}, placement: {clusters: one}}"), &[]);
    assert!(error.contains("spec.placement.clusters in body must be of type array: \"string\""), "{error}");
    let error = refused(&federated("spec: {template: {}, plaecment: {}}"), &["--validate=strict"]);
    assert!(error.contains("unknown field \"spec.plaecment\""), "{error}");
    let error = refused("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name, namespace: refused}\n", &[]);
    assert!(error.contains("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"), "{error}");
    let error = refused("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: nowhere}\n", &[]);
    assert!(error.contains("namespaces \"nowhere\" not found"), "{error}");
    let large =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large, namespace: refused}}\ndata: {{k: {}}}\n", "x".repeat(2 << 20));
    let error = refused(&large, &["--server-side"]);
    assert!(error.contains("Too long: may not be more than 1048576 bytes"), "{error}");
    assert_eq!(fleet.hub(&["get", "federatedconfigmaps,configmaps", "-n", "refused", "-o", "name"]), "configmap/kube-root-ca.crt\n");
}

pub(crate) fn wrong_entries(fleet: &mut Fleet) {
    fleet.namespace("shop");
    let text = federated(
        r"spec:
  template: {data: {color: blue}}
  placement: {clusters: [{name: cluster1}, {name: cluster2}, {name: elsewhere}]}
  overrides:
  - clusterName: cluster1
    clusterOverrides: [{path: /data/size/inner, value: 1}]",
    );
    let ran = fleet.try_hub_with(&["apply", "-f", "-"], &text);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    fleet.member("cluster2", &["wait", "configmap/settings", "-n", "shop", "--for=create", "--timeout=20s"]);
    let status = |cluster: &str| format!("jsonpath={{.status.clusters[?(@.name==\"{cluster}\")].status}}");
    let wait = |cluster: &str, value: &str| {
        fleet.hub(&["wait", "federatedconfigmap/settings", "-n", "shop", &format!("--for={}={value}", status(cluster)), "--timeout=20s"])
    };
    wait("cluster1", "ApplyOverridesFailed");
    wait("elsewhere", "ClusterNotJoined");
    assert!(fleet.try_member("cluster1", &["get", "configmap", "settings", "-n", "shop"]).stderr.contains("NotFound"));
    assert_eq!(fleet.hub(&["get", "federatedconfigmap", "settings", "-n", "shop", "-o", &status("cluster2")]), "");

    // Naming a cluster twice in the overrides is that cluster's problem as well.
    let text = text.replace(
        "[{path: /data/size/inner, value: 1}]",
        "[{path: /data/color, value: red}]\n  - clusterName: cluster1\n    clusterOverrides: []",
    );
    assert_eq!(fleet.try_hub_with(&["apply", "-f", "-"], &text).code, 0);
    let message = "jsonpath={.status.clusters[?(@.name==\"cluster1\")].message}";
    fleet.until("the duplicate is named", || {
        fleet.hub(&["get", "federatedconfigmap", "settings", "-n", "shop", "-o", message]).contains("appears more than once")
    });
}
