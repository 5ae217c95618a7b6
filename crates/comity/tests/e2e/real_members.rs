//! Real control planes as members: every scenario of federation once more, and what the members' audit logs tell.

use std::{collections::BTreeSet, fs, path::PathBuf};

use comity_testkit_core::{
    binary::{Home, Running},
    real::{Programs, RealCluster},
};
use serde_json::Value;

use crate::{bad_input, fleet::Fleet, leave, page, repair, types, workloads};

/// A control plane whose nodes are simulated, with a context of its own.
pub(crate) struct RealMember {
    pub(crate) name: String,
    pub(crate) kubeconfig: PathBuf,
    audit: PathBuf,
    // first, so that nobody asks a control plane that is gone
    _nodes: Running,
    _cluster: RealCluster,
}

/// One request in the audit log.
#[derive(Debug)]
struct Request {
    verb: String,
    resource: String,
    name: String,
}

impl RealMember {
    /// Starts both; they end with the test.
    pub(crate) fn start(name: &str, programs: Programs, home: &Home) -> Self {
        let at = |end: &str| home.path().join(format!("{name}.{end}"));
        let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
        fs::write(at("policy"), policy).unwrap();
        let cluster = programs
            .flag(&format!("--audit-policy-file={}", at("policy").display()))
            .flag(&format!("--audit-log-path={}", at("audit").display()))
            .flag("--audit-log-mode=blocking")
            .start()
            .unwrap();
        let text = fs::read_to_string(cluster.kubeconfig()).unwrap();
        // the contexts of a fleet have names of their own, and none of them is the current one
        let text = text.replace("name: real", &format!("name: {name}")).replace("cluster: real", &format!("cluster: {name}"));
        let text = text.replace(&format!("- name: {name}\n  context"), &format!("- name: {name}-context\n  context"));
        let text = text.replace("name: admin", &format!("name: {name}-admin")).replace("user: admin", &format!("user: {name}-admin"));
        fs::write(at("kubeconfig"), text.replace("current-context: real\n", "")).unwrap();
        let (file, context) = (at("kubeconfig").to_string_lossy().into_owned(), format!("{name}-context"));
        let nodes = home.start(&["nodes", "--kubeconfig", &file, "--context", &context, "--name", name, "--count=2"]).unwrap();
        Self { name: name.to_owned(), kubeconfig: at("kubeconfig"), audit: at("audit"), _nodes: nodes, _cluster: cluster }
    }

    /// How many requests have been logged.
    fn logged(&self) -> usize {
        fs::read_to_string(&self.audit).unwrap().lines().count()
    }

    /// The hub's requests after so many others.
    fn of_the_hub(&self, since: usize) -> Vec<Request> {
        let text = fs::read_to_string(&self.audit).unwrap();
        // the last line may be half written
        let events = text.lines().skip(since).filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let user = format!("system:serviceaccount:kube-federation-system:{}-host-context", self.name);
        let text = |event: &Value, path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        events
            .filter(|event| event["user"]["username"] == *user)
            .map(|event| Request {
                verb: text(&event, "/verb"),
                resource: text(&event, "/objectRef/resource"),
                name: text(&event, "/objectRef/name"),
            })
            .collect()
    }
}

#[test]
fn the_suite_runs_on_real_members() {
    let Some(mut fleet) = Fleet::real("v1.36", &["cluster1", "cluster2", "cluster3"]) else { return };
    let step = |what: &str| fleet_step(what);
    step("wrong joins");
    leave::wrong_joins(&fleet);
    let unjoin = ["unjoin", "cluster1", "--cluster-context", "cluster1-context", "--host-cluster-context", "host-context"];
    assert_eq!(fleet.kubefedctl(&unjoin).code, 0);
    fleet.member("cluster1", &["wait", "namespace/kube-federation-system", "--for=delete", "--timeout=60s"]);
    step("the page");
    page::the_page(&fleet);
    step("workloads");
    workloads::reads_like_a_cluster(&fleet);
    workloads::rolls_out(&fleet);
    step("repairs");
    repair::repairs(&fleet);
    repair::writes_the_difference(&fleet);
    step("wrong entries");
    bad_input::wrong_entries(&fleet);
    step("types");
    types::every_shipped_type(&fleet);
    types::enabled_types(&fleet);
    types::group_of_ones_own(&fleet);
    step("a restart");
    a_restart_writes_nothing(&mut fleet);
    step("unjoining");
    leave::unjoins(&fleet);
}

/// Names the scenario in the test's output, which is shown when it fails.
#[allow(clippy::print_stderr, reason = "the only way to say in a failed test how far it came")]
fn fleet_step(what: &str) {
    eprintln!("{what} on real members");
}

fn a_restart_writes_nothing(fleet: &mut Fleet) {
    const MAPS: [&str; 3] = ["kept-1", "kept-2", "kept-3"];
    for name in MAPS {
        let text = format!(
            "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedConfigMap\nmetadata: {{name: {name}, namespace: production}}\nspec: {{template: {{data: {{k: v}}}}, placement: {{clusterSelector: {{}}}}}}\n"
        );
        assert_eq!(fleet.try_hub_with(&["apply", "-f", "-"], &text).code, 0);
        let kind = format!("federatedconfigmap/{name}");
        fleet.hub(&["wait", &kind, "-n", "production", "--for=condition=Propagation", "--timeout=30s"]);
    }
    let clusters = ["cluster1", "cluster2", "cluster3"];
    let since = clusters.map(|name| fleet.real_member(name).logged());
    assert_eq!(fleet.terminate(), 0);
    fleet.start_again(&["--members=0"]);
    fleet.hub(&["annotate", "federatedconfigmap", "kept-1", "-n", "production", "note=unrelated"]);
    for (name, since) in clusters.iter().zip(since) {
        let member = fleet.real_member(name);
        fleet.until("every copy has been looked at after the restart", || {
            let seen: BTreeSet<String> = member
                .of_the_hub(since)
                .into_iter()
                .filter(|r| r.verb == "get" && (r.resource == "configmaps" || r.name == "webapp"))
                .map(|r| r.name)
                .collect();
            MAPS.iter().chain(&["webapp"]).all(|name| seen.contains(*name))
        });
    }
    // a drift after it is repaired: whatever was to be written before has been written
    fleet.member("cluster1", &["scale", "deployment/webapp", "-n", "production", "--replicas=1"]);
    fleet.member("cluster1", &["wait", "deployment/webapp", "-n", "production", "--for=jsonpath={.spec.replicas}=5", "--timeout=20s"]);
    for (name, since) in clusters.iter().zip(since) {
        let writes = ["create", "update", "patch", "delete", "deletecollection"];
        let all = fleet.real_member(name).of_the_hub(since).into_iter().filter(|r| writes.contains(&r.verb.as_str()));
        let repaired = |r: &Request| *name == "cluster1" && r.resource == "deployments" && r.name == "webapp";
        // the hub's own Lease in the member says that it is alive: renewing it is no write of a copy
        let fence = |r: &Request| r.resource == "leases" && r.name.starts_with("comity-hub-");
        let others: Vec<Request> = all.filter(|r| !repaired(r) && !fence(r)).collect();
        assert!(others.is_empty(), "{name}: {others:?}");
    }
}
