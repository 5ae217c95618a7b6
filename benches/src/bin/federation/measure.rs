//! The measurements: fan-out, repair of drift, and Deployments at a steady rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use comity_benches::report::{Table, rate, ratio, time};
use comity_benches::share::share;
use comity_benches::timing::Measured;
use comity_core::{GroupVersionResource, Value, json, object};
use comity_lane::{ClusterClient, PatchKind};

use crate::Limits;
use crate::federated::{self, NAMESPACE};
use crate::fleet::{Fleet, MEMBERS, name};
use comity_benches::sightings::Sightings;

const MANAGER: &str = "bench";

/// A member: its API and what its watches show.
struct Member {
    client: ClusterClient,
    config_maps: Sightings,
    deployments: Sightings,
}

/// Connections to all clusters, with the watches open.
pub(crate) struct Bench {
    hub: ClusterClient,
    members: Arc<Vec<Member>>,
}

/// The table of fan-outs.
pub(crate) fn fan_out_table() -> Table {
    let heads = [
        "objects",
        "hub writes/s",
        "write p50",
        "write p99",
        "until the last copy",
        "objects/s",
        "copies/s",
        "hub writes per fsync",
        "copies of one member per fsync",
    ];
    Table::new("fan-out to three members", &heads)
}

/// The table of latencies.
pub(crate) fn latency_table() -> Table {
    let heads = ["what", "samples", "p50", "p99", "max", "least p50", "least p99", "times least p50", "times least p99"];
    Table::new("latencies", &heads)
}

fn latency_row(table: &mut Table, what: &str, measured: &Measured, samples: usize, least: impl Fn(f64) -> Duration) {
    let times = |share: f64| ratio(measured.percentile(share).as_secs_f64(), least(share).as_secs_f64());
    let shares = [0.5, 0.99, 1.0].map(|share| time(measured.percentile(share)));
    let cells =
        [vec![what.to_owned(), samples.to_string()], shares.to_vec(), vec![time(least(0.5)), time(least(0.99)), times(0.5), times(0.99)]];
    table.row(cells.concat());
}

impl Bench {
    /// Connects, waits until all members are ready, and makes the namespace everywhere.
    pub(crate) async fn connect(fleet: &Fleet) -> anyhow::Result<Self> {
        let hub = fleet.client("host").await?;
        let clusters = GroupVersionResource::new("core.kubefed.io", "v1beta1", "kubefedclusters");
        let joined = Sightings::start("the hub", hub.clone(), clusters.clone(), "kube-federation-system").await?;
        let waits = (1..=MEMBERS).map(|number| joined.expect(&name(number), ready)).collect::<Vec<_>>();
        for (number, wait) in waits.into_iter().enumerate() {
            let now = hub.get(&clusters, "kube-federation-system", &name(number + 1)).await?;
            if !now.as_ref().is_some_and(ready) {
                wait.seen().await.context("waiting for the members to be ready")?;
            }
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        hub.create(&GroupVersionResource::new("", "v1", "namespaces"), "", &namespace, MANAGER).await?;
        let mut members = Vec::new();
        for number in 1..=MEMBERS {
            let (name, client) = (name(number), fleet.client(&name(number)).await?);
            let config_maps = GroupVersionResource::new("", "v1", "configmaps");
            let deployments = GroupVersionResource::new("apps", "v1", "deployments");
            members.push(Member {
                config_maps: Sightings::start(&name, client.clone(), config_maps, NAMESPACE).await?,
                deployments: Sightings::start(&name, client.clone(), deployments, NAMESPACE).await?,
                client,
            });
        }
        let bench = Self { hub, members: Arc::new(members) };
        // The first object brings the namespace to the members; that is no part of any measurement.
        let first = bench.members.iter().map(|member| member.config_maps.expect("first", |_| true)).collect::<Vec<_>>();
        bench.hub.create(&federated::federated("federatedconfigmaps"), NAMESPACE, &federated::config_map("first", "x"), MANAGER).await?;
        for sighting in first {
            sighting.seen().await?;
        }
        Ok(bench)
    }

    /// Many writers create federated ConfigMaps; over when the last member shows the last copy.
    pub(crate) async fn fan_out(
        &self,
        prefix: &str,
        count: usize,
        writers: usize,
        limits: &Limits,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let names = (0..count).map(|number| object_name(prefix, number));
        let expect = |name: String| self.members.iter().map(move |member| member.config_maps.expect(&name, |_| true));
        let sightings = names.flat_map(expect).collect::<Vec<_>>();
        let start = Instant::now();
        let (hub, names) = (self.hub.clone(), prefix.to_owned());
        let written = share(count, writers, move |number| {
            let (hub, object) = (hub.clone(), federated::config_map(&object_name(&names, number), &text()));
            async move {
                let before = Instant::now();
                hub.create(&federated::federated("federatedconfigmaps"), NAMESPACE, &object, MANAGER).await?;
                Ok(before.elapsed())
            }
        })
        .await?;
        let mut last = start;
        for sighting in sightings {
            last = last.max(sighting.seen().await?);
        }
        let took = last.duration_since(start);
        let per_second = count as f64 / took.as_secs_f64();
        table.row([
            count.to_string(),
            rate(written.rate()),
            time(written.percentile(0.5)),
            time(written.percentile(0.99)),
            time(took),
            rate(per_second),
            rate(per_second * MEMBERS as f64),
            ratio(written.rate(), limits.fsync.rate()),
            ratio(per_second, limits.fsync.rate()),
        ]);
        Ok(())
    }

    /// Changes copies in the members; each sample ends when the member's watch shows the change undone. At least the
    /// change and the repair are made durable, and four messages pass: change, event to the hub, repair, event to the watch.
    pub(crate) async fn repairs(
        &self,
        prefix: &str,
        count: usize,
        at_once: usize,
        limits: &Limits,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let (members, prefix) = (self.members.clone(), prefix.to_owned());
        let measured = share(count, at_once, move |number| {
            let (members, name) = (members.clone(), object_name(&prefix, number));
            async move {
                let member = members.get(number % MEMBERS).context("no such member")?;
                let mut changed = false;
                let repaired = member.config_maps.expect(&name, move |copy| {
                    let as_wanted = object::str_at(copy, &["data", "text"]) == text();
                    changed |= !as_wanted;
                    changed && as_wanted
                });
                let patch = json!({"data": {"text": "drifted"}});
                let gvr = GroupVersionResource::new("", "v1", "configmaps");
                let before = Instant::now();
                member.client.patch(&gvr, NAMESPACE, &name, None, PatchKind::Merge, &patch, MANAGER, false).await?;
                Ok(repaired.seen().await?.duration_since(before))
            }
        })
        .await?;
        latency_row(table, "drift repaired: 2 fsyncs, 2 round trips", &measured, count, |share| limits.least(2, 2, share));
        Ok(())
    }

    /// Creates federated Deployments at a steady rate; each sample begins at the hub's answer and ends when all members
    /// show their Deployment. At least one copy is made durable, and a request and an event pass.
    pub(crate) async fn deployments(&self, count: usize, per_second: u32, limits: &Limits, table: &mut Table) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
        let mut samples = Vec::new();
        for number in 0..count {
            ticks.tick().await;
            let (hub, members, name) = (self.hub.clone(), self.members.clone(), object_name("webapp", number));
            samples.push(tokio::spawn(async move {
                let sightings = members.iter().map(|member| member.deployments.expect(&name, |_| true)).collect::<Vec<_>>();
                let gvr = federated::federated("federateddeployments");
                hub.create(&gvr, NAMESPACE, &federated::deployment(&name), MANAGER).await?;
                let answered = Instant::now();
                let mut last = answered;
                for sighting in sightings {
                    last = last.max(sighting.seen().await?);
                }
                Ok::<_, anyhow::Error>(last.duration_since(answered))
            }));
        }
        let mut latencies = Vec::new();
        for sample in samples {
            latencies.push(sample.await??);
        }
        let measured = Measured::new(start.elapsed(), latencies);
        latency_row(table, "Deployment in all members: 1 fsync, 1 round trip", &measured, count, |share| limits.least(1, 1, share));
        Ok(())
    }
}

fn ready(cluster: &Value) -> bool {
    let conditions = cluster.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"))
}

fn object_name(prefix: &str, number: usize) -> String {
    format!("{prefix}-{number:05}")
}

/// What the copies hold: 200 bytes.
fn text() -> String {
    "x".repeat(200)
}
