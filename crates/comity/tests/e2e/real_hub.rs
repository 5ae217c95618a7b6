//! A hub on a real Kubernetes: `comity hub start --kubeconfig`, with embedded members as processes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use comity_testkit_core::{
    binary::{Home, Running},
    cache::tool_or_skip,
    kubectl::Kubectl,
    real::{Parts, RealCluster},
    run::Ran,
};

use crate::fleet::manifest;

const PATIENCE: Duration = Duration::from_secs(60);

struct RealHub {
    instances: Vec<Running>,
    _members: Vec<Running>,
    kubectl: Kubectl,
    home: Home,
    cluster: RealCluster,
}

impl RealHub {
    /// A control plane, members that are not joined, and one instance of the hub; nothing when a program is missing.
    fn start(members: &[&str]) -> Option<Self> {
        let what = "a hub on a real Kubernetes";
        let cluster = tool_or_skip(what, RealCluster::find(Parts::Controllers))?.start().unwrap();
        let home = Home::new(Path::new(env!("CARGO_BIN_EXE_comity"))).unwrap();
        let start = |name: &&str| home.start(&["member", &format!("--name={name}"), &format!("--data-dir={name}")]).unwrap();
        let running = members.iter().map(start).collect();
        let of_members = members.iter().map(|name| home.path().join(name).join("kubeconfig"));
        let files = std::env::join_paths([cluster.kubeconfig()].into_iter().chain(of_members)).unwrap();
        let kubectl = tool_or_skip(what, Kubectl::find("v1.36", Path::new(&files)))?;
        let mut hub = Self { instances: Vec::new(), _members: running, kubectl, home, cluster };
        hub.add_instance();
        Some(hub)
    }

    fn add_instance(&mut self) {
        let kubeconfig = self.cluster.kubeconfig();
        let running = self.home.start(&["hub", "start", "--kubeconfig", &kubeconfig.to_string_lossy()]).unwrap();
        self.instances.push(running);
    }

    fn try_kubectl(&self, args: &[&str], input: &str) -> Ran {
        self.kubectl.run_with(args, input).unwrap()
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let ran = self.try_kubectl(args, "");
        let logs: Vec<String> = self.instances.iter().map(Running::log).collect();
        assert_eq!(ran.code, 0, "kubectl {}\n{}\n{}\n{}", args.join(" "), ran.stdout, ran.stderr, logs.join("\n"));
        ran.stdout
    }

    fn join(&self, name: &str) {
        let (context, file) = (format!("{name}-context"), format!("--kubeconfig={}", self.merged()));
        let args = ["kubefedctl", &file, "join", name, "--cluster-context", &context, "--host-cluster-context", "real"];
        let ran = self.home.run(&args).unwrap();
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        self.kubectl(&["wait", "kubefedcluster", name, "--for=condition=Ready", "-n", "kube-federation-system", "--timeout=30s"]);
    }

    /// One file with all contexts, as a user makes it.
    fn merged(&self) -> String {
        let path = self.home.path().join("merged");
        if !path.exists() {
            std::fs::write(&path, self.kubectl(&["config", "view", "--flatten"])).unwrap();
        }
        path.to_string_lossy().into_owned()
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            let logs: Vec<String> = self.instances.iter().map(Running::log).collect();
            assert!(Instant::now() < deadline, "still not: {what}\n{}", logs.join("\n"));
        }
    }

    fn replicas(&self, cluster: &str) -> String {
        let context = format!("--context={cluster}-context");
        self.kubectl(&[&context, "get", "deploy", "webapp", "-n", "production", "-o", "jsonpath={.spec.replicas}"])
    }
}

#[test]
fn the_page_works_on_a_real_hub_and_instances_take_turns() {
    let Some(mut hub) = RealHub::start(&["cluster1", "cluster2"]) else { return };
    hub.join("cluster1");
    hub.join("cluster2");
    // The one difference to an embedded hub: the namespace is not made by itself.
    let ran = hub.try_kubectl(&["apply", "-f", &manifest("federated-deployment.yaml")], "");
    assert!(ran.stderr.contains("namespaces \"production\" not found"), "{}", ran.stderr);
    hub.kubectl(&["create", "namespace", "production"]);
    hub.kubectl(&["apply", "-f", &manifest("federated-deployment.yaml"), "-f", &manifest("federated-service.yaml")]);
    for (cluster, replicas) in [("cluster1", "5"), ("cluster2", "3")] {
        let context = format!("--context={cluster}-context");
        hub.kubectl(&[&context, "wait", "deployment/webapp", "service/webapp", "-n", "production", "--for=create", "--timeout=30s"]);
        assert_eq!(hub.replicas(cluster), replicas);
    }
    let missing = "--for=jsonpath={.status.clusters[?(@.name==\"cluster3\")].status}=ClusterNotJoined";
    hub.kubectl(&["wait", "federateddeployment/webapp", "-n", "production", missing, "--timeout=30s"]);

    // A second instance waits; it works as soon as the first has ended, and changes nothing.
    hub.add_instance();
    let printed = hub.instances[1].printed().join("\n");
    assert!(printed.contains(" leads"), "{printed}");
    let ids: Vec<String> = hub.instances.iter().map(|i| i.printed().iter().find(|l| l.contains("epoch")).unwrap().clone()).collect();
    assert_eq!(ids[0].split(',').next(), ids[1].split(',').next(), "one hub, one id");
    let mark = |hub: &RealHub| {
        hub.kubectl(&[
            "--context=cluster1-context",
            "get",
            "deploy",
            "webapp",
            "-n",
            "production",
            "-o",
            "jsonpath={.metadata.annotations.comity\\.dev/owner}",
        ])
    };
    let before = mark(&hub);
    let began = Instant::now();
    assert_eq!(hub.instances.remove(0).stop().unwrap().code(), Some(0));
    hub.instances[0].wait_line("leading", PATIENCE).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "handing over took {:?}", began.elapsed());
    hub.kubectl(&["--context=cluster1-context", "scale", "deploy/webapp", "-n", "production", "--replicas=1"]);
    hub.until("the repair by the second instance", || hub.replicas("cluster1") == "5");
    assert_eq!(mark(&hub), before);

    // Killed, it comes back as the same hub when its Lease has run out.
    hub.instances.remove(0).kill().unwrap();
    hub.kubectl(&["--context=cluster2-context", "scale", "deploy/webapp", "-n", "production", "--replicas=1"]);
    hub.add_instance();
    hub.until("the repair after the restart", || hub.replicas("cluster2") == "3");
    assert_eq!(mark(&hub), before);

    // Deleted on the hub, gone everywhere.
    hub.kubectl(&["delete", "federateddeployment", "webapp", "-n", "production", "--timeout=30s"]);
    for cluster in ["cluster1", "cluster2"] {
        let context = format!("--context={cluster}-context");
        assert!(hub.try_kubectl(&[&context, "get", "deploy", "webapp", "-n", "production"], "").stderr.contains("NotFound"));
    }
}

const FEDERATED: &str = "
apiVersion: types.kubefed.io/v1beta1
kind: FederatedDeployment
metadata: {name: web, namespace: team}
spec:
  placement: {clusters: []}
  template: {spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: 'web:1'}]}}}}
";

#[test]
fn who_writes_a_template_on_a_real_hub_must_be_allowed_to_write_its_kind() {
    let Some(hub) = RealHub::start(&[]) else { return };
    hub.kubectl(&["create", "namespace", "team"]);
    hub.kubectl(&["create", "serviceaccount", "dev", "-n", "team"]);
    hub.kubectl(&["create", "clusterrole", "federator", "--verb=*", "--resource=*.types.kubefed.io"]);
    hub.kubectl(&["create", "clusterrolebinding", "federator", "--clusterrole=federator", "--serviceaccount=team:dev"]);
    let token = format!("--token={}", hub.kubectl(&["create", "token", "dev", "-n", "team"]).trim());
    let dev = |args: &[&str], input: &str| hub.try_kubectl(&[&[token.as_str()], args].concat(), input);

    let refused = "user \"system:serviceaccount:team:dev\" cannot create deployments.apps in namespace \"team\", which the template would do in members";
    let mut said = String::new();
    // The API server takes a moment to put a new policy in force.
    hub.until("the rule is in force", || {
        said = dev(&["create", "--dry-run=server", "-f", "-"], FEDERATED).stderr;
        said.contains("is forbidden")
    });
    assert!(said.contains(refused), "{said}");
    let generated = FEDERATED.replace("name: web,", "generateName: web-,");
    for args in [&["apply", "--server-side", "-f", "-"][..], &["create", "-f", "-"]] {
        let ran = dev(args, if args[0] == "create" { &generated } else { FEDERATED });
        assert!(ran.stderr.contains(refused), "{args:?}: {}{}", ran.stdout, ran.stderr);
    }

    // What the administrator made may be neither changed nor deleted.
    assert_eq!(hub.try_kubectl(&["create", "-f", "-"], FEDERATED).code, 0);
    let patch =
        ["patch", "federateddeployment", "web", "-n", "team", "--type=merge", "-p", r#"{"spec":{"template":{"spec":{"replicas":2}}}}"#];
    for (args, verb) in [(&patch[..], "update"), (&["delete", "federateddeployment", "web", "-n", "team"], "delete")] {
        let ran = dev(args, "");
        assert!(ran.stderr.contains(&format!("cannot {verb} deployments.apps")), "{args:?}: {}{}", ran.stdout, ran.stderr);
    }

    // With the right on the kind, all of it works.
    hub.kubectl(&["create", "role", "deployer", "-n", "team", "--verb=*", "--resource=deployments.apps"]);
    hub.kubectl(&["create", "rolebinding", "deployer", "-n", "team", "--role=deployer", "--serviceaccount=team:dev"]);
    hub.until("the right counts", || dev(&patch, "").code == 0);
    assert_eq!(dev(&["create", "-f", "-"], &generated).code, 0);
    assert_eq!(dev(&["delete", "federateddeployments", "--all", "-n", "team", "--timeout=30s"], "").code, 0);

    // Roles and bindings: writing them is not enough.
    hub.kubectl(&["create", "clusterrole", "rbac", "--verb=create,update,delete", "--resource=clusterroles,clusterrolebindings"]);
    hub.kubectl(&["create", "clusterrolebinding", "rbac", "--clusterrole=rbac", "--serviceaccount=team:dev"]);
    let enabled = hub.home.run(&[
        "kubefedctl",
        &format!("--kubeconfig={}", hub.merged()),
        "--host-cluster-context=real",
        "enable",
        "clusterrolebindings",
    ]);
    assert_eq!(enabled.unwrap().code, 0);
    let role = "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedClusterRole, metadata: {name: r}, spec: {placement: {clusters: []}, template: {rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}}}";
    let binding = "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedClusterRoleBinding, metadata: {name: b}, spec: {placement: {clusters: []}, template: {roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: []}}}";
    hub.until("the right counts", || dev(&["create", "-f", "-"], role).stderr.contains("needs the verb \"escalate\" on clusterroles"));
    hub.until("the new type is covered", || dev(&["create", "-f", "-"], binding).stderr.contains("needs the verb \"bind\""));
    hub.kubectl(&["create", "clusterrole", "binder", "--verb=bind", "--resource=clusterroles", "--resource-name=view"]);
    hub.kubectl(&["create", "clusterrolebinding", "binder", "--clusterrole=binder", "--serviceaccount=team:dev"]);
    hub.until("the verb counts", || dev(&["create", "-f", "-"], binding).code == 0);
    let other = binding.replace("name: view", "name: cluster-admin").replace("name: b}", "name: c}");
    let ran = dev(&["create", "-f", "-"], &other);
    assert!(ran.stderr.contains("needs the verb \"bind\""), "{}{}", ran.stdout, ran.stderr);
}
