//! The hub's credentials in members: as few rights as its work needs, and what happens when they no longer count.

use crate::fleet::{Fleet, SYSTEM};

/// The account of the hub in cluster1.
const ACCOUNT: &str = "--as=system:serviceaccount:kube-federation-system:cluster1-host-context";

/// kubectl in cluster1; it must succeed.
fn ok(fleet: &Fleet, args: &str) -> String {
    fleet.member("cluster1", &args.split(' ').collect::<Vec<_>>())
}

fn join(fleet: &Fleet, flags: &[&str]) {
    let args = ["join", "cluster1", "--cluster-context", "cluster1-context", "--host-cluster-context", "host-context"];
    let ran = fleet.kubefedctl(&[&args, flags].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn ready(fleet: &Fleet) {
    fleet.wait("kubefedcluster/cluster1", SYSTEM, "condition=Ready");
}

/// Waits for the reason of the condition Ready and returns its message.
fn not_ready(fleet: &Fleet, reason: &str) -> String {
    let path = |field: &str| format!("jsonpath={{.status.conditions[?(@.type==\"Ready\")].{field}}}");
    fleet.wait("kubefedcluster/cluster1", SYSTEM, &format!("{}={reason}", path("reason")));
    fleet.hub(&["get", "kubefedcluster/cluster1", "-n", SYSTEM, "-o", &path("message")])
}

/// On a fleet of which no cluster is joined.
pub(crate) fn profile_and_token(fleet: &mut Fleet) {
    fleet.apply(
        "{apiVersion: core.kubefed.io/v1beta1, kind: KubeFedConfig, spec: {scope: Cluster, clusterHealthCheck: {period: 1s}}, \
         metadata: {name: kubefed, namespace: kube-federation-system}}",
    );
    the_profile_is_enough(fleet);
    a_revoked_token_is_named_and_replaced(fleet);
    let all: Vec<String> =
        TYPES.iter().chain(&["statefulset"]).filter(|kind| **kind != "clusterrole").map(|kind| format!("federated{kind}")).collect();
    fleet.hub(&["delete", &all.join(","), "--all", "-n", "profile", "--timeout=60s"]);
    fleet.hub(&["delete", "kubefedconfig", "kubefed", "-n", SYSTEM]);
    fleet.join_all(false);
}

/// One object of each type that ships.
const ALL: &str = "
{apiVersion: v1, kind: List, items: [
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedNamespace, metadata: {name: profile, namespace: profile}, spec: {placement: {clusterSelector: {}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {name: x, namespace: profile}, spec: {placement: {clusterSelector: {}}, template: {data: {a: b}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedSecret, metadata: {name: x, namespace: profile}, spec: {placement: {clusterSelector: {}}, template: {data: {a: Yg==}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedServiceAccount, metadata: {name: x, namespace: profile}, spec: {placement: {clusterSelector: {}}, template: {}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedService, metadata: {name: x, namespace: profile}, spec: {placement: {clusterSelector: {}}, template: {spec: {ports: [{port: 80}]}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedIngress, metadata: {name: x, namespace: profile}, spec: {placement: {clusterSelector: {}}, template: {spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedDeployment, metadata: {name: x, namespace: profile}, spec: {placement: {clusterSelector: {}}, template: {spec: {replicas: 0,
  selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: c}]}}}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedReplicaSet, metadata: {name: rs, namespace: profile}, spec: {placement: {clusterSelector: {}}, template: {spec: {replicas: 0,
  selector: {matchLabels: {c: d}}, template: {metadata: {labels: {c: d}}, spec: {containers: [{name: c, image: c}]}}}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedJob, metadata: {name: x, namespace: profile}, spec: {placement: {clusterSelector: {}}, template: {spec: {suspend: true,
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: c}]}}}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedClusterRole, metadata: {name: x}, spec: {placement: {clusterSelector: {}}, template: {rules: [{apiGroups: [''], resources: [nodes], verbs: ['*']}]}}},
]}";
const TYPES: [&str; 10] =
    ["namespace", "configmap", "secret", "serviceaccount", "service", "ingress", "deployment", "replicaset", "job", "clusterrole"];
const SET: &str = "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedStatefulSet, metadata: {name: x, namespace: profile}, spec: {placement: {clusterSelector: {}}, \
    template: {spec: {replicas: 0, serviceName: x, selector: {matchLabels: {e: f}}, template: {metadata: {labels: {e: f}}, spec: {containers: [{name: c, image: c}]}}}}}}";

/// Everything that ships works with the rights of the profile; what is enabled later says which right it lacks.
fn the_profile_is_enough(fleet: &Fleet) {
    join(fleet, &["--cluster-role=profile"]);
    ready(fleet);
    fleet.hub(&["create", "namespace", "profile"]);
    let applied = fleet.try_hub_with(&["apply", "-f", "-"], ALL);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    let wait = |kind: &str, name: &str, seconds: u32| {
        let timeout = format!("--timeout={seconds}s");
        fleet.hub(&["wait", &format!("federated{kind}"), name, "-n", "profile", "--for=condition=Propagation", &timeout]);
    };
    for kind in TYPES {
        let name = match kind {
            "namespace" => "profile",
            "replicaset" => "rs",
            _ => "x",
        };
        wait(kind, name, 30);
    }
    ok(fleet, "get configmap,secret,serviceaccount,service,ingress,deployment,job x -n profile");
    ok(fleet, "label configmap x -n profile kubefed.io/managed-");
    fleet.until("the repair", || ok(fleet, "get configmap x -n profile -o yaml").contains("kubefed.io/managed: \"true\""));
    fleet.hub(&["delete", "federatedconfigmap,federatedclusterrole", "x", "-n", "profile", "--timeout=30s"]);
    assert!(fleet.try_member("cluster1", &["get", "clusterrole", "x"]).stderr.contains("NotFound"));

    // Nothing beyond.
    for right in [
        "create pods",
        "delete nodes",
        "get persistentvolumes",
        "patch statefulsets.apps",
        "bind clusterroles",
        "impersonate users",
        "create tokenreviews",
    ] {
        let args: Vec<&str> = ["auth", "can-i"].into_iter().chain(right.split(' ')).chain(["-A", ACCOUNT]).collect();
        assert_eq!(fleet.try_member("cluster1", &args).stdout.trim(), "no", "{right}");
    }

    // A type that is enabled later.
    let enabled = fleet.kubefedctl(&["enable", "statefulsets"]);
    assert!(enabled.code == 0 && enabled.stderr.contains("--cluster-role=profile --error-on-existing=false"), "{}", enabled.stderr);
    fleet.until("the new kind is served", || fleet.try_hub_with(&["apply", "-f", "-"], SET).code == 0);
    let message = "jsonpath={.status.clusters[?(@.name==\"cluster1\")].message}";
    let mut said = String::new();
    fleet.until("the missing right is named", || {
        said = fleet.hub(&["get", "federatedstatefulset", "x", "-n", "profile", "-o", message]);
        said.contains("cannot list resource \"statefulsets\" in API group \"apps\"")
    });
    assert!(said.contains("--cluster-role=profile --error-on-existing=false"), "{said}");
    join(fleet, &["--cluster-role=profile", "--error-on-existing=false"]);
    wait("statefulset", "x", 90);
}

/// A token that no longer counts is named; joining again is enough.
fn a_revoked_token_is_named_and_replaced(fleet: &Fleet) {
    ok(fleet, "delete secret cluster1-host-context -n kube-federation-system");
    let said = not_ready(fleet, "ClusterCredentialsRejected");
    assert!(said.contains("401") && said.contains("kubefedctl join cluster1 --error-on-existing=false"), "{said}");
    // what runs there goes on running
    ok(fleet, "get deployment x -n profile");
    join(fleet, &["--error-on-existing=false"]);
    ready(fleet);
    let change = r#"{"spec":{"template":{"data":{"a":"Yw=="}}}}"#;
    fleet.hub(&["patch", "federatedsecret", "x", "-n", "profile", "--type=merge", "-p", change]);
    fleet.until("the change arrives", || ok(fleet, "get secret x -n profile -o jsonpath={.data.a}") == "Yw==");
    let secrets = fleet.hub(&["get", "secrets", "-n", "kube-federation-system", "-o", "name"]);
    assert_eq!(secrets.matches("secret/cluster1-").count(), 1, "{secrets}");
    // joined again without a word about rights, it has those that it had
    assert_eq!(fleet.try_member("cluster1", &["auth", "can-i", "create", "pods", ACCOUNT]).stdout.trim(), "no");
}

/// A member comes back with another certificate authority.
pub(crate) fn new_authority(fleet: &mut Fleet) {
    fleet.renew_authority("cluster1", false);
    let said = not_ready(fleet, "ClusterCertificateNotTrusted");
    assert!(said.contains("invalid peer certificate") && said.contains("spec.caBundle"), "{said}");

    // By hand: the new authority alone, for the token still counts.
    let path = "jsonpath={.clusters[?(@.name==\"cluster1\")].cluster.certificate-authority-data}";
    let bundle = fleet.hub(&["config", "view", "--raw", "--flatten", "-o", path]);
    let patch = format!("{{\"spec\":{{\"caBundle\":\"{bundle}\"}}}}");
    fleet.hub(&["patch", "kubefedcluster", "cluster1", "-n", SYSTEM, "--type=merge", "-p", &patch]);
    ready(fleet);

    // Once more, tokens and all, by joining again.
    fleet.renew_authority("cluster1", true);
    not_ready(fleet, "ClusterCertificateNotTrusted");
    join(fleet, &["--error-on-existing=false"]);
    ready(fleet);
}
