//! What exists in a member is previewed, adopted, given back; copies without an owner are listed.

use std::fs;

use crate::fleet::Fleet;

fn federated(kind: &str, name: &str, template: &str) -> String {
    format!(
        "apiVersion: types.kubefed.io/v1beta1\nkind: {kind}\nmetadata: {{name: {name}, namespace: adopted}}\n\
         spec: {{template: {template}, placement: {{clusters: [{{name: cluster1}}]}}}}\n"
    )
}

pub(crate) fn adopts(fleet: &mut Fleet) {
    for create in
        [&["namespace", "adopted"][..], &["configmap", "web", "-n", "adopted", "--from-literal=k=theirs", "--from-literal=more=x"]]
    {
        fleet.member("cluster1", &[&["create"], create].concat());
    }
    fleet.member("cluster1", &["create", "secret", "generic", "key", "-n", "adopted", "--from-literal=p=planted-secret"]);
    fleet.hub(&["create", "namespace", "adopted"]);
    let file = fleet.home().join("web.yaml");
    let secret = federated("FederatedSecret", "key", "{stringData: {p: another-secret}}");
    fs::write(&file, format!("{}---\n{secret}", federated("FederatedConfigMap", "web", "{data: {k: ours}}"))).unwrap();
    let file = file.display().to_string();

    let plan = fleet.comity(&["plan", "-f", &file]);
    assert_eq!(plan.code, 8, "{}{}", plan.stdout, plan.stderr);
    for line in [
        "FederatedConfigMap adopted/web",
        "cluster1  adopt",
        "/data/k: \"theirs\" -> \"ours\"",
        "/data/more: \"x\" -> nothing (set by kubectl-create)",
        "/data/p: *** -> ***",
    ] {
        assert!(plan.stdout.contains(line), "{line}:\n{}", plan.stdout);
    }
    assert!(!plan.stdout.contains("secret\"") && !plan.stdout.contains("cGxhbnRlZC1zZWNyZXQ"), "{}", plan.stdout);
    let data = |what: &str| fleet.member("cluster1", &["get", what, "-n", "adopted", "-o", "jsonpath={.data}"]);
    assert_eq!(data("configmap/web"), r#"{"k":"theirs","more":"x"}"#, "a plan changes nothing");

    fleet.hub(&["apply", "-f", &file]);
    for object in ["federatedconfigmap/web", "federatedsecret/key"] {
        fleet.hub(&["wait", object, "-n", "adopted", "--for=condition=Propagation", "--timeout=30s"]);
    }
    assert_eq!(data("configmap/web"), r#"{"k":"ours"}"#);
    let again = fleet.comity(&["plan", "-f", &file]);
    assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);

    let back = fleet.comity(&["release", "configmap", "web", "-n", "adopted", "-C", "cluster1"]);
    assert_eq!(back.code, 0, "{}{}", back.stdout, back.stderr);
    assert_eq!(data("configmap/web"), r#"{"k":"theirs","more":"x"}"#);
    fleet.until("that it is left alone", || {
        let path = "jsonpath={.status.clusters[0].status}";
        fleet.hub(&["get", "federatedconfigmap", "web", "-n", "adopted", "-o", path]) == "ManagedLabelFalse"
    });
    assert_eq!(data("configmap/web"), r#"{"k":"theirs","more":"x"}"#);
    let secret = fleet.comity(&["release", "secret", "key", "-n", "adopted", "-C", "cluster1"]);
    assert!(secret.code == 7 && secret.stderr.contains("--as-it-is"), "{} {}", secret.code, secret.stderr);
    assert_eq!(fleet.comity(&["release", "secret", "key", "-n", "adopted", "-C", "cluster1", "--as-it-is"]).code, 0);
    fleet.hub(&["delete", "-f", &file, "--timeout=30s"]);
}

pub(crate) fn orphans(fleet: &mut Fleet) {
    fleet.namespace("adopted");
    fleet.apply(&federated("FederatedConfigMap", "lost", "{data: {k: v}}"));
    fleet.hub(&["wait", "federatedconfigmap/lost", "-n", "adopted", "--for=condition=Propagation", "--timeout=30s"]);
    let none = fleet.comity(&["fleet", "drift", "--orphans", "--exit-code"]);
    assert_eq!(none.code, 0, "{}{}", none.stdout, none.stderr);
    // the mark of a copy that somebody put back from a backup: its owner is long gone
    let copy = fleet.member("cluster1", &["get", "configmap", "lost", "-n", "adopted", "-o", "json"]);
    let mut copy: serde_json::Value = serde_json::from_str(&copy).unwrap();
    let mark = copy["metadata"]["annotations"]["comity.dev/owner"].as_str().unwrap();
    let mark = mark.replace("\"ownerName\":\"lost\"", "\"ownerName\":\"gone\"").replace("adopted/lost", "adopted/gone");
    copy["metadata"]["annotations"]["comity.dev/owner"] = mark.into();
    copy["metadata"]["name"] = "gone".into();
    for field in ["uid", "resourceVersion", "managedFields", "creationTimestamp"] {
        copy["metadata"].as_object_mut().unwrap().remove(field);
    }
    let made = fleet.try_member_with("cluster1", &["create", "-f", "-"], &copy.to_string());
    assert_eq!(made.code, 0, "{}", made.stderr);
    let listed = fleet.comity(&["fleet", "drift", "--orphans", "--exit-code"]);
    assert_eq!(listed.code, 8, "{}{}", listed.stdout, listed.stderr);
    let line = "cluster1   ConfigMap \"adopted/gone\"   FederatedConfigMap.types.kubefed.io adopted/gone";
    assert!(listed.stdout.contains(line), "{}", listed.stdout);
    fleet.member("cluster1", &["delete", "configmap", "gone", "-n", "adopted"]);
}
