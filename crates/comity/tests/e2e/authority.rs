//! A template is not a way around access rules: a service account, its token, and stock kubectl.

use comity_testkit_core::run::Ran;

use crate::fleet::Fleet;

const FEDERATED: &str = "
apiVersion: types.kubefed.io/v1beta1
kind: FederatedDeployment
metadata: {name: web, namespace: team}
spec:
  placement: {clusters: []}
  template: {spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: 'web:1'}]}}}}
";

/// kubectl as somebody: arguments and standard input.
type Client<'a> = &'a dyn Fn(&[&str], &str) -> Ran;
/// Asks again until the answer is yes.
type Until<'a> = &'a dyn Fn(&str, &mut dyn FnMut() -> bool);

/// The service account `team:dev` may write every federated kind everywhere, and nothing else. Returns its token.
fn account(admin: Client) -> String {
    for args in [
        "create namespace team",
        "create serviceaccount dev -n team",
        "create clusterrole federator --verb=* --resource=*.types.kubefed.io",
        "create clusterrolebinding federator --clusterrole=federator --serviceaccount=team:dev",
    ] {
        ok(admin, args);
    }
    ok(admin, "create token dev -n team").trim().to_owned()
}

fn ok(client: Client, args: &str) -> String {
    let ran = client(&args.split(' ').collect::<Vec<_>>(), "");
    assert_eq!(ran.code, 0, "kubectl {args}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// What holds on every hub. The rule is in force when `in_force` returns.
fn deployments(admin: Client, dev: Client, until: Until) {
    let refused = "user \"system:serviceaccount:team:dev\" cannot create deployments.apps in namespace \"team\", which the template would do in members";
    let mut said = String::new();
    until("the rule is in force", &mut || {
        said = dev(&["create", "--dry-run=server", "-f", "-"], FEDERATED).stderr;
        said.contains("is forbidden")
    });
    assert!(said.contains(refused), "{said}");
    let generated = FEDERATED.replace("name: web,", "generateName: web-,");
    for (args, input) in
        [(&["apply", "-f", "-"][..], FEDERATED), (&["apply", "--server-side", "-f", "-"], FEDERATED), (&["create", "-f", "-"], &generated)]
    {
        let ran = dev(args, input);
        assert!(ran.stderr.contains(refused), "{args:?}: {}{}", ran.stdout, ran.stderr);
    }

    // What the administrator made may be neither changed nor deleted.
    assert_eq!(admin(&["create", "-f", "-"], FEDERATED).code, 0);
    let more = FEDERATED.replace("replicas: 1", "replicas: 2");
    let patch =
        ["patch", "federateddeployment", "web", "-n", "team", "--type=merge", "-p", r#"{"spec":{"template":{"spec":{"replicas":2}}}}"#];
    for (args, input, verb) in [
        (&patch[..], "", "update"),
        (&["replace", "-f", "-"], &*more, "update"),
        (&["apply", "--server-side", "--force-conflicts", "-f", "-"], &more, "update"),
        (&["label", "federateddeployment", "web", "-n", "team", "a=b"], "", "update"),
        (&["delete", "federateddeployment", "web", "-n", "team"], "", "delete"),
    ] {
        let ran = dev(args, input);
        assert!(ran.stderr.contains(&format!("cannot {verb} deployments.apps")), "{args:?}: {}{}", ran.stdout, ran.stderr);
    }

    let collection = ["delete", "--raw", "/apis/types.kubefed.io/v1beta1/namespaces/team/federateddeployments"];
    let ran = dev(&collection, "");
    assert!(ran.stderr.contains("cannot delete deployments.apps"), "{}{}", ran.stdout, ran.stderr);

    // With the right on the kind, all of it works.
    ok(admin, "create role deployer -n team --verb=* --resource=deployments.apps");
    ok(admin, "create rolebinding deployer -n team --role=deployer --serviceaccount=team:dev");
    until("the right counts", &mut || dev(&patch, "").code == 0);
    assert_eq!(dev(&["create", "-f", "-"], &generated).code, 0);
    let ran = dev(&collection, "");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ok(dev, "wait federateddeployments --all -n team --for=delete --timeout=30s");
}

const ROLE: &str = "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedClusterRole, metadata: {name: r}, \
    spec: {placement: {clusters: []}, template: {rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}}}";
const BINDING: &str = "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedClusterRoleBinding, metadata: {name: b}, \
    spec: {placement: {clusters: []}, template: {roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pods}, subjects: []}}}";

/// The account may also write the plain RBAC kinds, as far as RBAC itself lets it.
fn may_write_rbac(admin: Client) {
    ok(admin, "create clusterrole rbac --verb=create,update,delete --resource=clusterroles,clusterrolebindings");
    ok(admin, "create clusterrolebinding rbac --clusterrole=rbac --serviceaccount=team:dev");
    ok(admin, "create clusterrole pods --verb=get --resource=pods");
}

pub(crate) fn templates(fleet: &mut Fleet) {
    let admin = |args: &[&str], input: &str| fleet.try_hub_with(args, input);
    let token = format!("--token={}", account(&admin));
    let server = ok(&admin, "config view --minify -o jsonpath={.clusters[0].cluster.server}");
    let dev = |args: &[&str], input: &str| {
        // without the administrator's certificate, which would win over the token
        let as_dev = ["--kubeconfig=/dev/null", "--insecure-skip-tls-verify", "--server", &server, &token];
        fleet.try_hub_with(&[&as_dev, args].concat(), input)
    };
    let until = |what: &str, holds: &mut dyn FnMut() -> bool| fleet.until(what, holds);

    // A namespace is not made for who may not make one, nor before the object is allowed.
    let elsewhere = FEDERATED.replace("namespace: team", "namespace: elsewhere");
    if !fleet.hub_is_real() {
        assert!(dev(&["create", "-f", "-"], &elsewhere).stderr.contains("cannot create deployments.apps"));
        assert!(admin(&["get", "namespace", "elsewhere"], "").stderr.contains("NotFound"));
    }
    // A real API server takes a moment to put a new policy in force.
    deployments(&admin, &dev, &until);
    ok(&admin, "create clusterrole everywhere --verb=create --resource=deployments.apps");
    ok(&admin, "create clusterrolebinding everywhere --clusterrole=everywhere --serviceaccount=team:dev");
    assert!(dev(&["create", "-f", "-"], &elsewhere).stderr.contains("namespaces \"elsewhere\" not found"));

    assert_eq!(fleet.kubefedctl(&["enable", "clusterrolebindings"]).code, 0);
    may_write_rbac(&admin);
    if fleet.hub_is_real() {
        ok(&admin, "create clusterrolebinding pods --clusterrole=pods --serviceaccount=team:dev");
        needs_verbs(&admin, &dev, &until);
    } else {
        judged_as_plain_objects(&admin, &dev);
    }
}

/// On a real hub roles and bindings need the verbs, whatever they grant.
fn needs_verbs(admin: Client, dev: Client, until: Until) {
    let create = |input: &str| dev(&["create", "-f", "-"], input);
    until("the right counts", &mut || create(ROLE).stderr.contains("needs the verb \"escalate\" on clusterroles"));
    until("the new type is covered", &mut || create(BINDING).stderr.contains("needs the verb \"bind\""));
    ok(admin, "create clusterrole binder --verb=bind --resource=clusterroles --resource-name=pods");
    ok(admin, "create clusterrolebinding binder --clusterrole=binder --serviceaccount=team:dev");
    until("the verb counts", &mut || create(BINDING).code == 0);
    let other = BINDING.replace("name: pods", "name: cluster-admin").replace("name: b}", "name: c}");
    assert!(create(&other).stderr.contains("needs the verb \"bind\""));
    let overridden = BINDING
        .replace("name: b}", "name: d}")
        .replace("spec: {", "spec: {overrides: [{clusterName: c, clusterOverrides: [{path: /roleRef/name, value: cluster-admin}]}], ");
    assert!(create(&overridden).stderr.contains("needs the verb \"bind\""));
    ok(admin, "delete federatedclusterrolebinding b");
}

/// On an embedded hub roles and bindings are judged as the plain objects are, with the server's own words.
fn judged_as_plain_objects(admin: Client, dev: Client) {
    let plain_role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}";
    let plain_binding = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b}, \
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pods}, subjects: []}";
    let reason =
        |ran: &Ran| ran.stderr.split_once(" is forbidden: ").unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr)).1.to_owned();
    for (federated, plain) in [(ROLE, plain_role), (BINDING, plain_binding)] {
        let said = reason(&dev(&["create", "-f", "-"], federated));
        assert!(said.contains("is attempting to grant RBAC permissions not currently held"), "{said}");
        assert_eq!(said, reason(&dev(&["create", "-f", "-"], plain)));
    }
    let nobody = BINDING.replace("name: pods", "name: nobody");
    assert!(dev(&["create", "-f", "-"], &nobody).stderr.contains("clusterrole.rbac.authorization.k8s.io \"nobody\" not found"));

    // Who holds the rights may hand them on, but an override hands out more.
    ok(admin, "create clusterrolebinding pods --clusterrole=pods --serviceaccount=team:dev");
    for federated in [ROLE, BINDING] {
        let ran = dev(&["create", "-f", "-"], federated);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    for (kind, name, path, value) in [
        ("federatedclusterrole", "r", "/rules/0/verbs/0", "\"*\""),
        ("federatedclusterrolebinding", "b", "/roleRef/name", "\"cluster-admin\""),
    ] {
        let more = format!(
            "{{\"spec\":{{\"overrides\":[{{\"clusterName\":\"c\",\"clusterOverrides\":[{{\"path\":\"{path}\",\"value\":{value}}}]}}]}}}}"
        );
        let ran = dev(&["patch", kind, name, "--type=merge", "-p", &more], "");
        assert!(ran.stderr.contains("is attempting to grant RBAC permissions not currently held"), "{}{}", ran.stdout, ran.stderr);
    }
    ok(dev, "label federatedclusterrole r a=b");
}
