//! What exists in a member is previewed, adopted, given back; copies without an owner are listed.

use std::fs;

use crate::fleet::Fleet;

fn federated(kind: &str, name: &str, template: &str) -> String {
    format!(
        "apiVersion: types.kubefed.io/v1beta1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {{template: {template}, placement: {{clusterSelector: {{}}}}}}\n"
    )
}

#[test]
fn an_object_that_exists_is_previewed_adopted_and_given_back() {
    let Some(fleet) = Fleet::demo("v1.36", &["--members=1"]) else { return };
    for create in [&["namespace", "shop"][..], &["configmap", "web", "-n", "shop", "--from-literal=k=theirs", "--from-literal=more=x"]] {
        fleet.member("cluster1", &[&["create"], create].concat());
    }
    fleet.member("cluster1", &["create", "secret", "generic", "key", "-n", "shop", "--from-literal=p=planted-secret"]);
    fleet.hub(&["create", "namespace", "shop"]);
    let file = fleet.data().join("web.yaml");
    let secret = federated("FederatedSecret", "key", "{stringData: {p: another-secret}}");
    fs::write(&file, format!("{}---\n{secret}", federated("FederatedConfigMap", "web", "{data: {k: ours}}"))).unwrap();
    let file = file.display().to_string();

    let plan = fleet.comity(&["plan", "-f", &file]);
    assert_eq!(plan.code, 8, "{}{}", plan.stdout, plan.stderr);
    for line in [
        "FederatedConfigMap shop/web",
        "cluster1  adopt",
        "/data/k: \"theirs\" -> \"ours\"",
        "/data/more: \"x\" -> nothing (set by kubectl-create)",
        "/data/p: *** -> ***",
    ] {
        assert!(plan.stdout.contains(line), "{line}:\n{}", plan.stdout);
    }
    assert!(!plan.stdout.contains("secret\"") && !plan.stdout.contains("cGxhbnRlZC1zZWNyZXQ"), "{}", plan.stdout);
    let data = |what: &str| fleet.member("cluster1", &["get", what, "-n", "shop", "-o", "jsonpath={.data}"]);
    assert_eq!(data("configmap/web"), r#"{"k":"theirs","more":"x"}"#, "a plan changes nothing");

    fleet.hub(&["apply", "-f", &file]);
    for object in ["federatedconfigmap/web", "federatedsecret/key"] {
        fleet.hub(&["wait", object, "-n", "shop", "--for=condition=Propagation", "--timeout=30s"]);
    }
    assert_eq!(data("configmap/web"), r#"{"k":"ours"}"#);
    let again = fleet.comity(&["plan", "-f", &file]);
    assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);

    let back = fleet.comity(&["release", "configmap", "web", "-n", "shop", "-C", "cluster1"]);
    assert_eq!(back.code, 0, "{}{}", back.stdout, back.stderr);
    assert_eq!(data("configmap/web"), r#"{"k":"theirs","more":"x"}"#);
    fleet.until("that it is left alone", || {
        let path = "jsonpath={.status.clusters[0].status}";
        fleet.hub(&["get", "federatedconfigmap", "web", "-n", "shop", "-o", path]) == "ManagedLabelFalse"
    });
    assert_eq!(data("configmap/web"), r#"{"k":"theirs","more":"x"}"#);
    let secret = fleet.comity(&["release", "secret", "key", "-n", "shop", "-C", "cluster1"]);
    assert!(secret.code == 7 && secret.stderr.contains("--as-it-is"), "{} {}", secret.code, secret.stderr);
    assert_eq!(fleet.comity(&["release", "secret", "key", "-n", "shop", "-C", "cluster1", "--as-it-is"]).code, 0);
}

#[test]
fn copies_without_an_owner_are_listed() {
    let Some(mut fleet) = Fleet::demo("v1.36", &["--members=1"]) else { return };
    let ran = fleet.try_hub_with(&["apply", "-f", "-"], &federated("FederatedConfigMap", "lost", "{data: {k: v}}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    fleet.hub(&["wait", "federatedconfigmap/lost", "-n", "shop", "--for=condition=Propagation", "--timeout=30s"]);
    let none = fleet.comity(&["fleet", "drift", "--orphans", "--exit-code"]);
    assert_eq!(none.code, 0, "{}{}", none.stdout, none.stderr);
    // the mark of a copy that somebody put back from a backup: its owner is long gone
    let copy = fleet.member("cluster1", &["get", "configmap", "lost", "-n", "shop", "-o", "json"]);
    let mut copy: serde_json::Value = serde_json::from_str(&copy).unwrap();
    let mark = copy["metadata"]["annotations"]["comity.dev/owner"].as_str().unwrap();
    let mark = mark.replace("\"ownerName\":\"lost\"", "\"ownerName\":\"gone\"").replace("shop/lost", "shop/gone");
    copy["metadata"]["annotations"]["comity.dev/owner"] = mark.into();
    copy["metadata"]["name"] = "gone".into();
    for field in ["uid", "resourceVersion", "managedFields", "creationTimestamp"] {
        copy["metadata"].as_object_mut().unwrap().remove(field);
    }
    let made = fleet.try_member_with("cluster1", &["create", "-f", "-"], &copy.to_string());
    assert_eq!(made.code, 0, "{}", made.stderr);
    let listed = fleet.comity(&["fleet", "drift", "--orphans", "--exit-code"]);
    assert_eq!(listed.code, 8, "{}{}", listed.stdout, listed.stderr);
    assert!(
        listed.stdout.contains("cluster1   ConfigMap \"shop/gone\"   FederatedConfigMap.types.kubefed.io shop/gone"),
        "{}",
        listed.stdout
    );
    assert_eq!(fleet.terminate(), 0);
}
