//! Measures federation: a hub and three member clusters as processes of their own, joined as a user joins them.
//!
//! The clients run in this process; all five share the machine's processors.

mod federated;
mod fleet;
mod measure;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use comity_benches::limits;
use comity_benches::process::resident_of;
use comity_benches::report::{Table, bytes, note, time};
use comity_benches::timing::Measured;

use fleet::Fleet;

/// Measures a hub with three member clusters.
#[derive(Parser)]
struct Arguments {
    /// The built `comity` [default: beside this program].
    #[arg(long)]
    comity: Option<PathBuf>,
    /// Objects of the two fan-outs; the last number is how many stay for the memory and the repairs.
    #[arg(long, value_delimiter = ',', default_value = "300,1000")]
    objects: Vec<usize>,
    /// Writers of the fan-outs.
    #[arg(long, default_value_t = 16)]
    writers: usize,
    /// Copies that are changed in a member; each on another object.
    #[arg(long, default_value_t = 1000)]
    repairs: usize,
    /// Repairs awaited at the same time.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Federated Deployments.
    #[arg(long, default_value_t = 100)]
    deployments: usize,
    /// Federated Deployments written per second.
    #[arg(long, default_value_t = 5)]
    rate: u32,
    /// Where the clusters' files go: the disk to measure.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
}

/// What the machine needs for the two things that no federation can do without.
pub(crate) struct Limits {
    /// One durable append of 4 KiB.
    pub(crate) fsync: Measured,
    /// One loopback round trip without TLS.
    pub(crate) round_trip: Measured,
}

impl Limits {
    /// The least time of something that needs these, at a percentile.
    pub(crate) fn least(&self, fsyncs: u32, round_trips: u32, share: f64) -> Duration {
        self.fsync.percentile(share) * fsyncs + self.round_trip.percentile(share) * round_trips
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let comity = comity_benches::program::find(arguments.comity.as_deref())?;
    let most = arguments.objects.last().copied().unwrap_or(0);
    anyhow::ensure!(
        arguments.repairs <= most,
        "--repairs {} needs as many objects, but the last of --objects is {most}: each repair is on an object of its own",
        arguments.repairs
    );
    anyhow::ensure!(arguments.writers > 0 && arguments.at_once > 0 && arguments.rate > 0, "--writers, --at-once and --rate begin at 1");
    let directory = tempfile::Builder::new()
        .prefix("bench-federation-")
        .tempdir_in(&arguments.directory)
        .with_context(|| format!("creating a folder in {} (--directory)", arguments.directory.display()))?;
    // Paths that children get must not depend on their working directory.
    let folder = directory.path().canonicalize()?;
    let limits = Limits { fsync: limits::fsyncs(&folder, 200)?, round_trip: limits::round_trips(2000)? };
    let fleet = Fleet::start(&comity, &folder)?;
    let runtime = tokio::runtime::Runtime::new().context("starting the clients")?;
    runtime.block_on(run(&arguments, &fleet, &limits))?;
    drop(runtime);
    fleet.stop()
}

async fn run(arguments: &Arguments, fleet: &Fleet, limits: &Limits) -> anyhow::Result<()> {
    note(&format!("One hub and {} members, each a process; clients in another. Load: {}.", fleet::MEMBERS, load()));
    limits_table(limits).print();
    let bench = measure::Bench::connect(fleet).await?;
    let hub = || resident_of(fleet.hub()).map_or_else(|| "unknown".into(), bytes);
    let member = || resident_of(fleet.member()).map_or_else(|| "unknown".into(), bytes);
    let mut memory = Table::new("resident memory", &["when", "hub", "one member"]);
    memory.row(["joined, nothing federated".into(), hub(), member()]);
    let mut fan_out = measure::fan_out_table();
    for count in &arguments.objects {
        let prefix = format!("of-{count}");
        bench.fan_out(&prefix, *count, arguments.writers, limits, &mut fan_out).await?;
        memory.row([format!("{count} more federated objects"), hub(), member()]);
    }
    fan_out.print();
    let prefix = format!("of-{}", arguments.objects.last().copied().unwrap_or(0));
    let mut latencies = measure::latency_table();
    bench.repairs(&prefix, arguments.repairs, arguments.at_once, limits, &mut latencies).await?;
    bench.deployments(arguments.deployments, arguments.rate, limits, &mut latencies).await?;
    latencies.print();
    memory.row([format!("after {} repairs and {} Deployments", arguments.repairs, arguments.deployments), hub(), member()]);
    memory.print();
    note(&format!("Load at the end: {}.", load()));
    Ok(())
}

fn limits_table(limits: &Limits) -> Table {
    let mut table = Table::new("limits of the machine", &["what", "p50", "p99"]);
    for (what, measured) in [
        ("append of 4 KiB and fdatasync, 200 times", &limits.fsync),
        ("loopback TCP round trip of 64 bytes, 2000 times", &limits.round_trip),
    ] {
        table.row([what.to_owned(), time(measured.percentile(0.5)), time(measured.percentile(0.99))]);
    }
    table
}

/// The machine's load of the last minute, where the system tells it, with its processors.
fn load() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{} on {processors} processors", text.split_whitespace().next().unwrap_or("unknown"))
}
