//! Federation in virtual time over clusters in memory: a seed decides what users, people in members, networks and the hub's
//! process do; after each step it is checked what was written, and in the end that everything is as it should be.
//!
//! `COMITY_SIM_SEED=7` replays one seed, `COMITY_SIM_SEEDS=1000` runs so many, `COMITY_SIM_SECONDS=600` for so long at most,
//! `COMITY_SIM_STEPS=200` makes each one longer, `COMITY_SIM_TRACE=1` tells every step.
#![allow(clippy::print_stderr, reason = "the steps of a seed are for whoever replays it")]

mod actions;
mod checks;
mod random;
mod refused;
mod twins;
mod wishes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use comity_core::json;
use comity_federation::{Config, Handle};
use comity_fleet::Connect;
use comity_lane::ClusterClient;
use comity_testkit::{FakeCluster, Gate};
use tokio::time::Instant;

use crate::world::{apply, gvr};
use random::Random;
use wishes::Wishes;

const SYSTEM: &str = "kube-federation-system";
const HUB_ID: &str = "hub-under-test";
const MEMBERS: usize = 4;

/// What one seed did.
#[derive(Debug, Default)]
struct Outcome {
    virtual_time: Duration,
    steps: usize,
    requests: usize,
    deletions: usize,
}

struct Sim {
    random: Random,
    hub: FakeCluster,
    client: ClusterClient,
    members: BTreeMap<String, Simulated>,
    federation: Option<Handle>,
    wishes: Wishes,
    /// Copies that stay without an owner: their member was not joined when the owner went.
    left_behind: BTreeSet<(String, wishes::Id)>,
    history: Vec<String>,
    outcome: Outcome,
    began: Instant,
}

struct Simulated {
    cluster: FakeCluster,
    gate: Arc<Gate>,
}

impl Sim {
    async fn start(seed: u64) -> Self {
        let hub = FakeCluster::new("hub");
        let client = Gate::new(Arc::new(hub.clone())).client();
        comity_federation::bootstrap(&client).await.unwrap();
        apply(&client, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": wishes::NAMESPACE}})).await;
        let config = json!({
            "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedConfig", "metadata": {"name": "kubefed", "namespace": SYSTEM},
            "spec": {"scope": "Namespaced"},
        });
        apply(&client, &config).await;
        let members = (1..=MEMBERS).map(|index| {
            let cluster = FakeCluster::new(&format!("cluster{index}"));
            let gate = Gate::new(Arc::new(cluster.clone()));
            (format!("cluster{index}"), Simulated { cluster, gate })
        });
        let mut sim = Self {
            random: Random::new(seed),
            hub,
            client,
            members: members.collect(),
            federation: None,
            wishes: Wishes::default(),
            left_behind: BTreeSet::new(),
            history: Vec::new(),
            outcome: Outcome::default(),
            began: Instant::now(),
        };
        for name in sim.members.keys().cloned().collect::<Vec<_>>() {
            sim.join(&name, "a").await;
            sim.plant_foreign(&name);
        }
        sim.begin();
        sim
    }

    /// Starts federation on the hub's present state.
    fn begin(&mut self) {
        self.federation = Some(self.federate(self.client.clone()));
    }

    /// Federation from a hub to the members.
    fn federate(&self, hub: ClusterClient) -> Handle {
        let gates: BTreeMap<String, Arc<Gate>> = self.members.iter().map(|(name, m)| (name.clone(), m.gate.clone())).collect();
        let connect: Connect = Arc::new(move |spec, _token| {
            let name = spec.api_endpoint.trim_start_matches("https://");
            gates.get(name).map(Gate::client).ok_or_else(|| format!("no cluster {name}"))
        });
        comity_federation::start(Config { connect, ..Config::new(hub, HUB_ID, 1) })
    }

    async fn join(&mut self, name: &str, zone: &str) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": SYSTEM},
            "data": {"token": BASE64_STANDARD.encode("token")}});
        apply(&self.client, &secret).await;
        let cluster = json!({"apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster",
            "metadata": {"name": name, "namespace": SYSTEM, "labels": {"zone": zone}},
            "spec": {"apiEndpoint": format!("https://{name}"), "secretRef": {"name": name}}});
        apply(&self.client, &cluster).await;
        self.wishes.joined.insert(name.to_owned(), zone.to_owned());
    }

    /// An object of another hub under a name that users choose too.
    fn plant_foreign(&mut self, name: &str) {
        let Some(member) = self.members.get(name) else { return };
        let cluster = &member.cluster;
        cluster.request("setup", http::Method::POST, &gvr("", "namespaces"), "", "", wishes::namespace()).unwrap();
        if self.random.chance(2) {
            let foreign = wishes::foreign("five");
            cluster.request("setup", http::Method::POST, &gvr("", "configmaps"), wishes::NAMESPACE, "", foreign).unwrap();
            self.wishes.foreign.insert((name.to_owned(), wishes::Id::config_map("five")));
        }
    }

    fn tell(&mut self, step: String) {
        let line = format!("{:>10.1}s {step}", self.began.elapsed().as_secs_f64());
        if std::env::var_os("COMITY_SIM_TRACE").is_some() {
            eprintln!("{line}");
        }
        self.history.push(line);
    }

    async fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.act().await;
            let pause = self.random.pause();
            tokio::time::sleep(pause).await;
            self.check_writes();
            self.outcome.steps += 1;
        }
        self.heal().await;
        self.check_writes();
        self.check_everything_is_as_wished();
        self.check_quiet().await;
        self.outcome.virtual_time = self.began.elapsed();
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn run_seed(seed: u64, steps: usize) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut sim = Sim::start(seed).await;
        let ran = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(sim.run(steps))).await;
        if let Err(panic) = ran {
            let history = sim.history.join("\n");
            eprintln!("{history}\nseed {seed} failed; COMITY_SIM_SEED={seed} COMITY_SIM_STEPS={steps} replays it");
            std::panic::resume_unwind(panic);
        }
        if let Some(federation) = sim.federation.take() {
            federation.shutdown().await;
        }
        sim.outcome
    })
}

#[test]
fn whatever_happens_nothing_wanted_is_lost_and_everything_comes_to_be_as_wished() {
    let steps = number("COMITY_SIM_STEPS").unwrap_or(25) as usize;
    let first = number("COMITY_SIM_SEED").unwrap_or(1);
    let count = number("COMITY_SIM_SEEDS").unwrap_or(if number("COMITY_SIM_SEED").is_some() { 1 } else { 4 });
    let limit = number("COMITY_SIM_SECONDS").map(Duration::from_secs);
    let (began, mut total, mut seeds) = (std::time::Instant::now(), Outcome::default(), 0);
    for seed in first..first + count {
        if limit.is_some_and(|limit| began.elapsed() > limit) {
            break;
        }
        let one = run_seed(seed, steps);
        seeds += 1;
        total.virtual_time += one.virtual_time;
        total.steps += one.steps;
        total.requests += one.requests;
        total.deletions += one.deletions;
    }
    println!(
        "{seeds} seeds, {} steps, {:.1} virtual hours, {} writing requests, {} deletions in {:.0?}",
        total.steps,
        total.virtual_time.as_secs_f64() / 3600.0,
        total.requests,
        total.deletions,
        began.elapsed()
    );
    assert!(total.deletions > 0 && total.requests > 0, "nothing happened");
}

/// Seeds that found something once.
#[test]
fn what_went_wrong_once_does_not_go_wrong_again() {
    for (seed, steps) in REGRESSIONS {
        run_seed(seed, steps);
    }
}

const REGRESSIONS: [(u64, usize); 2] = [
    // an empty list after a restart: copies were written again and again without a pause
    (1, 40),
    // a last healthy copy that was held before a restart closed its member for all other deletions
    (200, 40),
];
