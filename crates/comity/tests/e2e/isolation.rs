//! One of three members is broken in every way there is: it is named, the others do not notice, nothing is deleted, and it
//! catches up. All four clusters are processes; between hub and members stand proxies.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use comity_testkit::{Fault, Proxy};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::fleet::Fleet;

const NAMES: [&str; 3] = ["cluster1", "cluster2", "cluster3"];
const SYSTEM: &str = "kube-federation-system";
const KEPT: [&str; 3] = ["edited", "kept", "quiet"];

/// Something that is wrong with the first member.
enum Broken {
    /// What its proxy does.
    Proxy(Fault),
    /// The process stands still.
    Frozen,
}

/// The fleet with a proxy in front of each member.
struct Proxied {
    fleet: Fleet,
    proxies: Vec<Proxy>,
    runtime: Runtime,
    texts: BTreeMap<String, String>,
    edits: usize,
    uids: BTreeMap<(&'static str, String), String>,
}

fn federated(name: &str, text: &str) -> String {
    let clusters: Vec<Value> = NAMES.iter().map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"data": {"k": text}}, "placement": {"clusters": clusters}},
    })
    .to_string()
}

impl Proxied {
    /// Three members, joined through their proxies; two probes without an answer take one out.
    fn start() -> Option<Self> {
        let mut fleet = Fleet::demo("v1.36", &["--members=0"])?;
        let runtime = Runtime::new().unwrap();
        let mut proxies = Vec::new();
        for name in NAMES {
            fleet.add_member(name);
            let proxy = runtime.block_on(Proxy::before(&url_of(&fleet, name))).unwrap();
            let file = kubeconfig(&fleet, name, &proxy);
            fleet.add_kubeconfig(file);
            proxies.push(proxy);
        }
        let config = json!({
            "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedConfig", "metadata": {"name": "kubefed", "namespace": SYSTEM},
            "spec": {"scope": "Cluster", "clusterHealthCheck": {"period": "500ms", "timeout": "1s", "failureThreshold": 2}},
        });
        fleet.try_hub_with(&["apply", "-f", "-"], &config.to_string()).ok().unwrap();
        fleet.hub(&["create", "namespace", "shop"]);
        for name in NAMES {
            let context = format!("{name}-proxied");
            let ran = fleet.kubefedctl(&["join", name, "--cluster-context", &context, "--host-cluster-context", "host-context"]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        }
        let proxied = Self { fleet, proxies, runtime, texts: BTreeMap::new(), edits: 0, uids: BTreeMap::new() };
        NAMES.iter().for_each(|name| proxied.cluster_says(name, "ClusterReady"));
        Some(proxied)
    }

    /// Waits for a condition of a cluster with this reason.
    fn cluster_says(&self, cluster: &str, reason: &str) {
        let says = format!("--for=jsonpath={{.status.conditions[?(@.reason==\"{reason}\")].reason}}={reason}");
        self.fleet.hub(&["wait", "kubefedcluster", cluster, "-n", SYSTEM, &says, "--timeout=20s"]);
    }

    /// Waits until an object's entry of the first cluster has this status.
    fn object_says(&self, name: &str, status: &str) {
        let says = format!("--for=jsonpath={{.status.clusters[?(@.name==\"cluster1\")].status}}={status}");
        self.fleet.hub(&["wait", "federatedconfigmap", name, "-n", "shop", &says, "--timeout=20s"]);
    }

    /// kubectl on a member, past its proxy.
    fn member(&self, cluster: &str, args: &[&str]) -> String {
        let ran = self.fleet.try_with_kubeconfig(&self.fleet.home().join(cluster).join("kubeconfig"), args);
        let status = || self.fleet.hub(&["get", "kubefedclusters,federatedconfigmaps", "-A", "-o", "yaml"]);
        assert_eq!(ran.code, 0, "kubectl {} in {cluster}\n{}{}\n{}", args.join(" "), ran.stdout, ran.stderr, status());
        ran.stdout
    }

    /// Waits until these members show the last text of an object.
    fn shown(&self, name: &str, members: &[&str]) {
        let says = format!("--for=jsonpath={{.data.k}}={}", self.texts[name]);
        for member in members {
            self.member(member, &["wait", "configmap", name, "-n", "shop", &says, "--timeout=20s"]);
        }
    }

    /// The same for an object that is new there.
    fn appears(&self, name: &str, members: &[&str]) {
        for member in members {
            self.member(member, &["wait", "configmap", name, "-n", "shop", "--for=create", "--timeout=20s"]);
        }
        self.shown(name, members);
    }

    fn make(&mut self, name: &str) {
        let text = self.next_text();
        let ran = self.fleet.try_hub_with(&["apply", "-f", "-"], &federated(name, &text));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        self.texts.insert(name.to_owned(), text);
    }

    fn next_text(&mut self) -> String {
        self.edits += 1;
        format!("v{}", self.edits)
    }

    /// An edit, and how long it took until all but the first member showed it.
    fn edit(&mut self, name: &str) -> Duration {
        let text = self.next_text();
        let patch = json!({"spec": {"template": {"data": {"k": text}}}}).to_string();
        self.texts.insert(name.to_owned(), text);
        let began = Instant::now();
        self.fleet.hub(&["patch", "federatedconfigmap", name, "-n", "shop", "--type=merge", "-p", &patch]);
        self.shown(name, &NAMES[1..]);
        began.elapsed()
    }

    /// Names, uids and texts of all copies in a member.
    fn copies(&self, cluster: &str) -> BTreeMap<String, (String, String)> {
        let list = self.member(cluster, &["get", "configmaps", "-n", "shop", "-l", "kubefed.io/managed=true", "-o", "json"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let copies = list["items"].as_array().unwrap().iter();
        copies.map(|copy| (text(&copy["metadata"]["name"]), (text(&copy["metadata"]["uid"]), text(&copy["data"]["k"])))).collect()
    }

    fn set(&self, broken: &Broken, begins: bool) {
        match broken {
            Broken::Proxy(fault) => self.proxies[0].set(if begins { fault.clone() } else { Fault::None }),
            Broken::Frozen => self.fleet.freeze_member("cluster1", begins),
        }
    }

    /// The member breaks, the others go on, and it returns. `before` is how long an edit took when all was well.
    fn breaks(&mut self, broken: &Broken, reason: &str, status: &str, before: Duration) {
        // an earlier state for lists to show
        self.runtime.block_on(self.proxies[0].gate().remember()).unwrap();
        self.edit("kept");
        self.shown("kept", &NAMES[..1]);

        self.set(broken, true);
        self.cluster_says("cluster1", reason);
        self.object_says("quiet", status);
        let during = (0..2).map(|_| self.edit("edited")).min().unwrap();
        assert!(during <= 2 * before, "{reason}: an edit reached the others in {during:?} at best, and in {before:?} before");
        self.set(broken, false);

        self.cluster_says("cluster1", "ClusterReady");
        self.shown("edited", &NAMES[..1]);
        self.is_as_wished(reason);
    }

    /// All copies say what they should, none was made anew, and none was deleted.
    fn is_as_wished(&mut self, after: &str) {
        self.fleet.hub(&["wait", "federatedconfigmaps", "--all", "-n", "shop", "--for=condition=Propagation", "--timeout=30s"]);
        for member in NAMES {
            let copies = self.copies(member);
            let texts: BTreeMap<&String, &String> = copies.iter().map(|(name, (_, text))| (name, text)).collect();
            assert_eq!(texts, self.texts.iter().collect(), "after {after}: {member}");
            for (name, (uid, _)) in &copies {
                let known = self.uids.entry((member, name.clone())).or_insert_with(|| uid.clone());
                assert_eq!(known, uid, "after {after}: {name} was made anew in {member}");
            }
        }
        let deletions: Vec<usize> = self.proxies.iter().map(|proxy| proxy.gate().count(&http::Method::DELETE)).collect();
        assert_eq!(deletions, [0, 0, 0], "after {after}");
    }
}

fn config_of(fleet: &Fleet, member: &str) -> Value {
    let text = std::fs::read_to_string(fleet.home().join(member).join("kubeconfig")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn url_of(fleet: &Fleet, member: &str) -> String {
    config_of(fleet, member)["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned()
}

/// An administrator's way to a member through its proxy: by a token, as the proxy ends TLS.
fn kubeconfig(fleet: &Fleet, member: &str, proxy: &Proxy) -> PathBuf {
    let kubectl = |args: &str| {
        let own = fleet.home().join(member).join("kubeconfig");
        fleet.try_with_kubeconfig(&own, &args.split(' ').collect::<Vec<_>>()).ok().unwrap()
    };
    kubectl("create serviceaccount admin -n default");
    kubectl("create clusterrolebinding admin --clusterrole=cluster-admin --serviceaccount=default:admin");
    let token = kubectl("create token admin -n default");
    let (context, folder) = (format!("{member}-proxied"), fleet.home());
    let authority = folder.join(format!("{context}.crt"));
    std::fs::write(&authority, proxy.ca()).unwrap();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": proxy.url(), "certificate-authority": authority}}],
        "users": [{"name": context, "user": {"token": token.trim()}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    });
    let file = folder.join(format!("{context}.kubeconfig"));
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

#[test]
fn one_member_breaks_in_every_way_and_the_others_go_on() {
    let Some(mut proxied) = Proxied::start() else { return };
    for name in KEPT {
        proxied.make(name);
        proxied.appears(name, &NAMES);
    }
    let before = (0..5).map(|_| proxied.edit("edited")).max().unwrap();
    proxied.is_as_wished("the start");
    let answers = |code| Broken::Proxy(Fault::Answers { code, retry_after: (code == 429).then_some(1) });
    let slow = Fault::Slow(Duration::from_secs(10));
    let (out, behind) = ("ClusterNotReady", "CachedRetrievalFailed");
    for (broken, reason, status) in [
        (Broken::Proxy(Fault::Refused), "ClusterNotReachable", out),
        (Broken::Proxy(Fault::Silent), "ClusterNotReachable", out),
        (Broken::Frozen, "ClusterNotReachable", out),
        (Broken::Proxy(slow), "ClusterNotReachable", out),
        (answers(401), "ClusterCredentialsRejected", out),
        (answers(403), "ClusterCredentialsRejected", out),
        (answers(429), "ClusterNotReady", out),
        (answers(500), "ClusterNotReady", out),
        (Broken::Proxy(Fault::HalfLists), behind, behind),
        (Broken::Proxy(Fault::StaleLists), behind, behind),
    ] {
        proxied.breaks(&broken, reason, status, before);
    }
    // what is made meanwhile comes there too
    proxied.proxies[0].set(Fault::Refused);
    proxied.cluster_says("cluster1", "ClusterNotReachable");
    proxied.make("new");
    proxied.appears("new", &NAMES[1..]);
    proxied.proxies[0].set(Fault::None);
    proxied.appears("new", &NAMES[..1]);
    proxied.is_as_wished("the last");
}
