//! The hub's credentials in members: as few rights as its work needs, and what happens when they no longer count.

use comity_testkit_core::{
    cache::tool_or_skip,
    kubectl::Kubectl,
    real::{Parts, RealCluster},
    run::Ran,
};

use crate::fleet::Fleet;

/// A cluster that is not joined yet, and its administrator.
struct Candidate<'a> {
    name: &'a str,
    context: &'a str,
    kubectl: &'a dyn Fn(&[&str]) -> Ran,
}

impl Candidate<'_> {
    fn ok(&self, args: &str) -> String {
        let ran = (self.kubectl)(&args.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, 0, "kubectl {args}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    fn join(&self, fleet: &Fleet, flags: &[&str]) {
        let args = ["join", self.name, "--cluster-context", self.context, "--host-cluster-context", "host-context"];
        let ran = fleet.kubefedctl(&[&args, flags].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }

    fn ready(&self, fleet: &Fleet) {
        let of = ["kubefedcluster", self.name, "-n", "kube-federation-system"];
        let ran = fleet.try_hub_with(&[&["wait"], &of[..], &["--for=condition=Ready", "--timeout=60s"]].concat(), "");
        assert_eq!(ran.code, 0, "{}{}", ran.stderr, fleet.hub(&[&["get"], &of[..], &["-o", "yaml"]].concat()));
    }

    /// Waits for the reason of the condition Ready and returns its message.
    fn not_ready(&self, fleet: &Fleet, reason: &str) -> String {
        let path = |field: &str| format!("jsonpath={{.status.conditions[?(@.type==\"Ready\")].{field}}}");
        let wanted = format!("--for={}={reason}", path("reason"));
        fleet.hub(&["wait", "kubefedcluster", self.name, "-n", "kube-federation-system", &wanted, "--timeout=60s"]);
        fleet.hub(&["get", "kubefedcluster", self.name, "-n", "kube-federation-system", "-o", &path("message")])
    }
}

/// One object of each type that ships.
const ALL: &str = "
{apiVersion: v1, kind: List, items: [
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedNamespace, metadata: {name: shop, namespace: shop}, spec: {placement: {clusterSelector: {}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {name: x, namespace: shop}, spec: {placement: {clusterSelector: {}}, template: {data: {a: b}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedSecret, metadata: {name: x, namespace: shop}, spec: {placement: {clusterSelector: {}}, template: {data: {a: Yg==}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedServiceAccount, metadata: {name: x, namespace: shop}, spec: {placement: {clusterSelector: {}}, template: {}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedService, metadata: {name: x, namespace: shop}, spec: {placement: {clusterSelector: {}}, template: {spec: {ports: [{port: 80}]}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedIngress, metadata: {name: x, namespace: shop}, spec: {placement: {clusterSelector: {}}, template: {spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedDeployment, metadata: {name: x, namespace: shop}, spec: {placement: {clusterSelector: {}}, template: {spec: {replicas: 0,
  selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: c}]}}}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedReplicaSet, metadata: {name: rs, namespace: shop}, spec: {placement: {clusterSelector: {}}, template: {spec: {replicas: 0,
  selector: {matchLabels: {c: d}}, template: {metadata: {labels: {c: d}}, spec: {containers: [{name: c, image: c}]}}}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedJob, metadata: {name: x, namespace: shop}, spec: {placement: {clusterSelector: {}}, template: {spec: {suspend: true,
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: c}]}}}}}},
{apiVersion: types.kubefed.io/v1beta1, kind: FederatedClusterRole, metadata: {name: x}, spec: {placement: {clusterSelector: {}}, template: {rules: [{apiGroups: [''], resources: [nodes], verbs: ['*']}]}}},
]}";
const TYPES: [&str; 10] =
    ["namespace", "configmap", "secret", "serviceaccount", "service", "ingress", "deployment", "replicaset", "job", "clusterrole"];
const SET: &str = "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedStatefulSet, metadata: {name: x, namespace: shop}, spec: {placement: {clusterSelector: {}}, \
    template: {spec: {replicas: 0, serviceName: x, selector: {matchLabels: {e: f}}, template: {metadata: {labels: {e: f}}, spec: {containers: [{name: c, image: c}]}}}}}}";

/// Everything that ships works with the rights of the profile; what is enabled later says which right it lacks.
fn the_profile_is_enough(fleet: &Fleet, candidate: &Candidate) {
    candidate.join(fleet, &["--cluster-role=profile"]);
    candidate.ready(fleet);
    fleet.hub(&["create", "namespace", "shop"]);
    let applied = fleet.try_hub_with(&["apply", "-f", "-"], ALL);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    let wait = |kind: &str, name: &str, seconds: u32| {
        let timeout = format!("--timeout={seconds}s");
        fleet.hub(&["wait", &format!("federated{kind}"), name, "-n", "shop", "--for=condition=Propagation", &timeout]);
    };
    for kind in TYPES {
        let name = match kind {
            "namespace" => "shop",
            "replicaset" => "rs",
            _ => "x",
        };
        wait(kind, name, 30);
    }
    candidate.ok("get configmap,secret,serviceaccount,service,ingress,deployment,job x -n shop");
    candidate.ok("label configmap x -n shop kubefed.io/managed-");
    fleet.until("the repair", || candidate.ok("get configmap x -n shop -o yaml").contains("kubefed.io/managed: \"true\""));
    fleet.hub(&["delete", "federatedconfigmap,federatedclusterrole", "x", "-n", "shop", "--timeout=30s"]);
    assert!((candidate.kubectl)(&["get", "clusterrole", "x"]).stderr.contains("NotFound"));

    // Nothing beyond.
    let account = format!("--as=system:serviceaccount:kube-federation-system:{}-host-context", candidate.name);
    for right in [
        "create pods",
        "delete nodes",
        "get persistentvolumes",
        "patch statefulsets.apps",
        "bind clusterroles",
        "impersonate users",
        "create tokenreviews",
    ] {
        let args: Vec<&str> = ["auth", "can-i"].into_iter().chain(right.split(' ')).chain(["-A", account.as_str()]).collect();
        assert_eq!((candidate.kubectl)(&args).stdout.trim(), "no", "{right}");
    }

    // A type that is enabled later.
    let enabled = fleet.kubefedctl(&["enable", "statefulsets"]);
    assert!(enabled.code == 0 && enabled.stderr.contains("--cluster-role=profile --error-on-existing=false"), "{}", enabled.stderr);
    fleet.until("the new kind is served", || fleet.try_hub_with(&["apply", "-f", "-"], SET).code == 0);
    let message = format!("jsonpath={{.status.clusters[?(@.name==\"{}\")].message}}", candidate.name);
    let mut said = String::new();
    fleet.until("the missing right is named", || {
        said = fleet.hub(&["get", "federatedstatefulset", "x", "-n", "shop", "-o", &message]);
        said.contains("cannot list resource \"statefulsets\" in API group \"apps\"")
    });
    assert!(said.contains("--cluster-role=profile --error-on-existing=false"), "{said}");
    candidate.join(fleet, &["--cluster-role=profile", "--error-on-existing=false"]);
    wait("statefulset", "x", 90);
}

/// A token that no longer counts is named; joining again is enough.
fn a_revoked_token_is_named_and_replaced(fleet: &Fleet, candidate: &Candidate) {
    candidate.ok(&format!("delete secret {}-host-context -n kube-federation-system", candidate.name));
    let said = candidate.not_ready(fleet, "ClusterCredentialsRejected");
    assert!(said.contains("401") && said.contains(&format!("kubefedctl join {} --error-on-existing=false", candidate.name)), "{said}");
    // what runs there goes on running
    candidate.ok("get deployment x -n shop");
    candidate.join(fleet, &["--error-on-existing=false"]);
    candidate.ready(fleet);
    let change = r#"{"spec":{"template":{"data":{"a":"Yw=="}}}}"#;
    fleet.hub(&["patch", "federatedsecret", "x", "-n", "shop", "--type=merge", "-p", change]);
    fleet.until("the change arrives", || candidate.ok("get secret x -n shop -o jsonpath={.data.a}") == "Yw==");
    let secrets = fleet.hub(&["get", "secrets", "-n", "kube-federation-system", "-o", "name"]);
    assert_eq!(secrets.matches(&format!("secret/{}-", candidate.name)).count(), 1, "{secrets}");
    // joined again without a word about rights, it has those that it had
    let account = format!("--as=system:serviceaccount:kube-federation-system:{}-host-context", candidate.name);
    assert_eq!((candidate.kubectl)(&["auth", "can-i", "create", "pods", &account]).stdout.trim(), "no");
}

#[test]
fn an_embedded_member_needs_only_the_rights_of_the_profile_and_a_revoked_token_is_replaced() {
    let Some(fleet) = Fleet::demo("v1.36", &["--members=1", "--join=none"]) else { return };
    let kubectl = |args: &[&str]| fleet.try_member("cluster1", args);
    let candidate = Candidate { name: "cluster1", context: "cluster1-context", kubectl: &kubectl };
    the_profile_is_enough(&fleet, &candidate);
    a_revoked_token_is_named_and_replaced(&fleet, &candidate);
}

#[test]
fn a_real_member_needs_only_the_rights_of_the_profile_and_a_revoked_token_is_replaced() {
    let Some(programs) = tool_or_skip("credentials in a real member", RealCluster::find(Parts::Controllers)) else { return };
    let Some(mut fleet) = Fleet::demo("v1.36", &["--members=0"]) else { return };
    let cluster = programs.start().unwrap();
    fleet.add_kubeconfig(cluster.kubeconfig());
    let client = Kubectl::find("v1.36", &cluster.kubeconfig()).unwrap();
    let kubectl = |args: &[&str]| client.run(args).unwrap();
    let candidate = Candidate { name: "prod", context: "real", kubectl: &kubectl };
    the_profile_is_enough(&fleet, &candidate);
    a_revoked_token_is_named_and_replaced(&fleet, &candidate);
}

#[test]
fn a_member_with_a_new_authority_is_named_and_trusted_again_when_it_is_told() {
    let Some(mut fleet) = Fleet::demo("v1.36", &["--members=0"]) else { return };
    fleet.add_member("edge");
    let candidate = Candidate { name: "edge", context: "edge-context", kubectl: &|_| unreachable!() };
    candidate.join(&fleet, &[]);
    candidate.ready(&fleet);
    fleet.kill_member("edge");
    std::fs::remove_dir_all(fleet.home().join("edge/members/edge/pki/ca")).unwrap();
    fleet.add_member("edge");
    let said = candidate.not_ready(&fleet, "ClusterCertificateNotTrusted");
    assert!(said.contains("invalid peer certificate") && said.contains("spec.caBundle"), "{said}");

    // By hand: the new authority alone, for the token still counts.
    let config = std::fs::read_to_string(fleet.home().join("edge/kubeconfig")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let bundle = config["clusters"][0]["cluster"]["certificate-authority-data"].as_str().unwrap();
    let patch = format!("{{\"spec\":{{\"caBundle\":\"{bundle}\"}}}}");
    fleet.hub(&["patch", "kubefedcluster", "edge", "-n", "kube-federation-system", "--type=merge", "-p", &patch]);
    candidate.ready(&fleet);

    // Once more, by joining again.
    fleet.kill_member("edge");
    std::fs::remove_dir_all(fleet.home().join("edge/members/edge/pki")).unwrap();
    fleet.add_member("edge");
    candidate.not_ready(&fleet, "ClusterCertificateNotTrusted");
    candidate.join(&fleet, &["--error-on-existing=false"]);
    candidate.ready(&fleet);
}
