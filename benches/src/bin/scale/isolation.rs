//! What the others notice of one broken member: the hub is a process, each member is reached through a proxy.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use comity_benches::report::{Table, note, ratio, time};
use comity_benches::sightings::Sightings;
use comity_benches::timing::Measured;
use comity_core::{GroupVersionResource, Value, json, object};
use comity_lane::{ClusterClient, PatchKind};
use comity_testkit::{Fault, Proxy};
use tokio::time::{MissedTickBehavior, interval};

use crate::NAMESPACE;
use crate::cases::Setting;
use crate::hub::{self, Hub};
use crate::members::Members;
use crate::objects::{To, config_map, federated};

const MANAGER: &str = "bench";
/// Objects that are edited in turn.
const OBJECTS: usize = 20;

struct Bench {
    // the first member is the one that breaks
    sightings: Vec<Sightings>,
    proxies: Vec<Proxy>,
    client: ClusterClient,
    pace: Duration,
    edits: usize,
    hub: Hub,
    _members: Members,
}

/// Edits of objects in all members, at a pace, each timed until the last of the others shows it: half of the baseline, then
/// while the first member is broken in each of these ways, then the other half of the baseline.
pub(crate) async fn run(setting: Setting, samples: usize, pace: Duration) -> anyhow::Result<()> {
    ensure!(setting.members >= 2, "there must be others: --members begins at 2");
    let members = setting.members;
    let mut bench = Bench::start(&setting, pace).await?;
    let (mut well, mut broken) = (bench.times("is well", samples / 2).await?, Vec::new());
    let faults = [
        ("never answers", Fault::Silent),
        ("takes 10 s for an answer", Fault::Slow(Duration::from_secs(10))),
        ("refuses connections", Fault::Refused),
    ];
    for (what, fault) in faults {
        bench.first()?.set(fault);
        broken.push((what, bench.times(what, samples).await?));
        bench.first()?.set(Fault::None);
        bench.all_show("again").await?;
    }
    well.extend(bench.times("is well again", samples - samples / 2).await?);
    let title = format!("an edit until {} of {members} members show it, every {}", members - 1, time(pace));
    let mut table = Table::new(&title, &["the other one", "samples", "p50", "p99", "max", "p50 / baseline", "p99 / baseline"]);
    let baseline = Measured::new(Duration::ZERO, well);
    let mut row = |what: &str, measured: &Measured, count: usize| {
        let shares = [0.5, 0.99, 1.0].map(|share| time(measured.percentile(share)));
        let times = [0.5, 0.99].map(|share| ratio(measured.percentile(share).as_secs_f64(), baseline.percentile(share).as_secs_f64()));
        table.row([vec![what.to_owned(), count.to_string()], shares.to_vec(), times.to_vec()].concat());
    };
    row("is well (the baseline)", &baseline, samples);
    for (what, latencies) in broken {
        let count = latencies.len();
        row(what, &Measured::new(Duration::ZERO, latencies), count);
    }
    table.print();
    bench.hub.stop()
}

impl Bench {
    async fn start(setting: &Setting, pace: Duration) -> anyhow::Result<Self> {
        note(&format!(
            "One hub as a process; {} members and a proxy before each in the process of the client; load {}.",
            setting.members,
            crate::cases::load()
        ));
        let hub = Hub::start(&setting.comity, &setting.folder.join("hub"))?;
        let members = Members::start(setting.members).await?;
        let client = hub.client().await?;
        let mut proxies = Vec::new();
        for cluster in members.all() {
            proxies.push(Proxy::before(&cluster.url()).await.map_err(|e| anyhow::anyhow!("a proxy before {}: {e}", cluster.name()))?);
        }
        hub::join_at(&client, members.all(), proxies.iter().map(|proxy| (proxy.url(), proxy.ca().to_owned()))).await?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        client.create(&core("namespaces"), "", &namespace, MANAGER).await?;
        let mut sightings = Vec::new();
        for cluster in members.all() {
            sightings.push(Sightings::start(cluster.name(), cluster.client(), core("configmaps"), NAMESPACE).await?);
        }
        for number in 0..OBJECTS {
            client.create(&federated("federatedconfigmaps"), NAMESPACE, &config_map(&name(number), To::All), MANAGER).await?;
        }
        let mut bench = Self { sightings, proxies, client, pace, edits: 0, hub, _members: members };
        bench.all_show("begin").await?;
        Ok(bench)
    }

    fn first(&self) -> anyhow::Result<&Proxy> {
        self.proxies.first().context("there is no member")
    }

    /// Every object is edited, and every member shows it.
    async fn all_show(&mut self, what: &str) -> anyhow::Result<()> {
        for _ in 0..OBJECTS {
            self.edit(what, 0).await?;
        }
        Ok(())
    }

    /// One edit; over when all members but the first so many show it.
    async fn edit(&mut self, what: &str, without: usize) -> anyhow::Result<Duration> {
        let (name, text) = (name(self.edits % OBJECTS), format!("{what} {}", self.edits));
        self.edits += 1;
        let expect = |member: &Sightings| {
            let text = text.clone();
            member.expect(&name, move |copy: &Value| object::str_at(copy, &["data", "text"]) == text)
        };
        let sightings: Vec<_> = self.sightings.iter().skip(without).map(expect).collect();
        let patch = json!({"spec": {"template": {"data": {"text": text}}}});
        let before = Instant::now();
        self.client.patch(&federated("federatedconfigmaps"), NAMESPACE, &name, None, PatchKind::Merge, &patch, MANAGER, false).await?;
        let mut last = before;
        for sighting in sightings {
            last = last.max(sighting.seen().await?);
        }
        Ok(last.duration_since(before))
    }

    async fn times(&mut self, what: &str, samples: usize) -> anyhow::Result<Vec<Duration>> {
        let mut pace = interval(self.pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut latencies = Vec::new();
        for sample in 0..samples {
            pace.tick().await;
            let took = self.edit(what, 1).await;
            latencies.push(took.with_context(|| format!("edit {sample} while the first member {what}"))?);
        }
        Ok(latencies)
    }
}

fn core(plural: &str) -> GroupVersionResource {
    GroupVersionResource::new("", "v1", plural)
}

fn name(number: usize) -> String {
    crate::objects::name("edited", number)
}
