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

use crate::{
    authority::{self, BINDING, ROLE, ok},
    fleet::manifest,
};

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
        // One at a time: kubectl gives up at once when two of them are not there yet.
        for object in ["deployment/webapp", "service/webapp"] {
            hub.kubectl(&[&context, "wait", object, "-n", "production", "--for=create", "--timeout=30s"]);
        }
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

#[test]
fn who_writes_a_template_on_a_real_hub_must_be_allowed_to_write_its_kind() {
    let Some(hub) = RealHub::start(&[]) else { return };
    let admin = |args: &[&str], input: &str| hub.try_kubectl(args, input);
    let token = format!("--token={}", authority::account(&admin));
    let dev = |args: &[&str], input: &str| hub.try_kubectl(&[&[token.as_str()], args].concat(), input);
    // The API server takes a moment to put a new policy in force.
    let until = |what: &str, holds: &mut dyn FnMut() -> bool| hub.until(what, holds);
    authority::deployments(&admin, &dev, &until);

    // Roles and bindings need the verbs, whatever they grant.
    authority::may_write_rbac(&admin);
    ok(&admin, "create clusterrolebinding pods --clusterrole=pods --serviceaccount=team:dev");
    let file = format!("--kubeconfig={}", hub.merged());
    let enabled = hub.home.run(&["kubefedctl", &file, "--host-cluster-context=real", "enable", "clusterrolebindings"]);
    assert_eq!(enabled.unwrap().code, 0);
    let create = |input: &str| dev(&["create", "-f", "-"], input);
    hub.until("the right counts", || create(ROLE).stderr.contains("needs the verb \"escalate\" on clusterroles"));
    hub.until("the new type is covered", || create(BINDING).stderr.contains("needs the verb \"bind\""));
    ok(&admin, "create clusterrole binder --verb=bind --resource=clusterroles --resource-name=pods");
    ok(&admin, "create clusterrolebinding binder --clusterrole=binder --serviceaccount=team:dev");
    hub.until("the verb counts", || create(BINDING).code == 0);
    let other = BINDING.replace("name: pods", "name: cluster-admin").replace("name: b}", "name: c}");
    assert!(create(&other).stderr.contains("needs the verb \"bind\""));
    let overridden = BINDING
        .replace("name: b}", "name: d}")
        .replace("spec: {", "spec: {overrides: [{clusterName: c, clusterOverrides: [{path: /roleRef/name, value: cluster-admin}]}], ");
    assert!(create(&overridden).stderr.contains("needs the verb \"bind\""));
}
