//! The measurements.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use comity_benches::process::resident;
use comity_benches::report::{Table, bytes, note, rate, time};
use comity_benches::share::share;
use comity_benches::{limits, timing::Measured};
use comity_core::{GroupVersionResource, Value, json};
use comity_lane::{ClusterClient, PatchKind};
use comity_store::{Options, Store};

use crate::NAMESPACE;
use crate::hub::{self, Hub};
use crate::members::Members;
use crate::objects::{To, config_map, deployment, federated, name};

const MANAGER: &str = "bench";
const PATIENCE: Duration = Duration::from_secs(900);

/// What all measurements need.
pub(crate) struct Setting {
    pub(crate) comity: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) writers: usize,
    pub(crate) members: usize,
}

/// A hub and its members, joined.
struct Fleet {
    hub: Hub,
    client: ClusterClient,
    members: Members,
    writers: usize,
}

impl Fleet {
    async fn start(setting: &Setting) -> anyhow::Result<Self> {
        note(&format!("One hub as a process, {} members in the process of the clients, load {}.", setting.members, load()));
        let hub = Hub::start(&setting.comity, &setting.folder.join("hub"))?;
        let before = resident().unwrap_or(0);
        let members = Members::start(setting.members).await?;
        let each = resident().unwrap_or(0).saturating_sub(before) / setting.members.max(1) as u64;
        // how long a write takes is what is measured
        let client = hub.client().await?.with_timeout(PATIENCE);
        let begin = Instant::now();
        hub::join(&client, members.all()).await?;
        note(&format!(
            "All members ready {} after the first was joined; the hub has then used {} of processor time, {} and {} sockets; {} of memory each in this process.",
            time(begin.elapsed()),
            time(hub.processor_time()),
            bytes(hub.resident()),
            hub.sockets(),
            bytes(each)
        ));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        client.create(&GroupVersionResource::new("", "v1", "namespaces"), "", &namespace, MANAGER).await?;
        let fleet = Self { hub, client, members, writers: setting.writers };
        // the first object brings the namespace to every member; that is no part of any measurement
        let first = fleet.members.count("configmaps", |_| true, |_| true)?;
        fleet.client.create(&federated("federatedconfigmaps"), NAMESPACE, &config_map("first", To::All), MANAGER).await?;
        first.reach(setting.members, PATIENCE).await?;
        Ok(fleet)
    }

    async fn write(
        &self,
        plural: &str,
        count: usize,
        object: impl Fn(usize) -> Value + Clone + Send + 'static,
    ) -> anyhow::Result<Measured> {
        let (hub, resource) = (self.client.clone(), federated(plural));
        share(count, self.writers, move |number| {
            let (hub, resource, object) = (hub.clone(), resource.clone(), object(number));
            async move {
                let before = Instant::now();
                hub.create(&resource, NAMESPACE, &object, MANAGER).await?;
                Ok(before.elapsed())
            }
        })
        .await
    }

    /// Writes objects and waits for their copies.
    async fn spread(
        &self,
        what: &str,
        plural: &str,
        target: &str,
        (count, copies): (usize, usize),
        object: impl Fn(usize) -> Value + Clone + Send + 'static,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let seen = self.members.count(target, |_| true, |_| true)?;
        let (begin, written, used) = (Instant::now(), self.hub.written(), self.hub.processor_time());
        let writes = self.write(plural, count, object).await?;
        let took = seen.reach(copies, PATIENCE).await?.duration_since(begin);
        let seconds = took.as_secs_f64();
        table.row([
            what.to_owned(),
            count.to_string(),
            copies.to_string(),
            rate(writes.rate()),
            time(writes.percentile(0.5)),
            time(took),
            rate(count as f64 / seconds),
            rate(copies as f64 / seconds),
            bytes((self.hub.written() - written) / count.max(1) as u64),
            time(self.hub.processor_time().saturating_sub(used)),
            bytes(self.hub.resident()),
        ]);
        Ok(())
    }
}

fn spread_table(title: &str) -> Table {
    let heads = [
        "what",
        "objects",
        "copies",
        "hub writes/s",
        "write p50",
        "until the last copy",
        "objects/s",
        "copies/s",
        "written by the hub per object until then",
        "hub's processor time until then",
        "hub's memory then",
    ];
    Table::new(title, &heads)
}

/// Cold fan-out of two kinds.
pub(crate) async fn fan_out(setting: Setting, objects: usize) -> anyhow::Result<()> {
    limit(&setting.folder)?;
    let fleet = Fleet::start(&setting).await?;
    let (all, mut table) = (objects * setting.members, spread_table("fan-out"));
    let map = |number| config_map(&name("map", number), To::All);
    fleet.spread("ConfigMaps", "federatedconfigmaps", "configmaps", (objects, all), map, &mut table).await?;
    let app = |number| deployment(&name("app", number), To::All);
    fleet.spread("Deployments", "federateddeployments", "apps/deployments", (objects, all), app, &mut table).await?;
    table.print();
    Ok(())
}

/// A killed hub returns to members that have drifted.
pub(crate) async fn restart(setting: Setting, objects: usize) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(&setting).await?;
    let mut table = spread_table("before the restart");
    let map = |number| config_map(&name("map", number), To::All);
    let copies = objects * setting.members;
    fleet.spread("ConfigMaps", "federatedconfigmaps", "configmaps", (objects, copies), map, &mut table).await?;
    table.print();
    settled(&fleet).await?;
    fleet.hub.kill()?;
    let member = fleet.members.all().first().context("there is a member")?.client();
    share(objects, 16, move |number| {
        let member = member.clone();
        async move {
            let patch = json!({"data": {"text": "drifted"}});
            let maps = GroupVersionResource::new("", "v1", "configmaps");
            member.patch(&maps, NAMESPACE, &name("map", number), None, PatchKind::Merge, &patch, MANAGER, false).await?;
            Ok(Duration::ZERO)
        }
    })
    .await?;
    let repaired = fleet.members.count("configmaps", |index| index == 0, |text| !text.contains("drifted"))?;
    let edited = fleet.members.count("configmaps", |_| true, |text| text.contains("edited"))?;
    let begin = Instant::now();
    fleet.hub.start_again()?;
    let ready = begin.elapsed();
    fleet.client = fleet.hub.client().await?;
    let edit = json!({"spec": {"template": {"data": {"text": "edited"}}}});
    fleet.client.patch(&federated("federatedconfigmaps"), NAMESPACE, "first", None, PatchKind::Merge, &edit, MANAGER, false).await?;
    let first = edited.reach(setting.members, PATIENCE).await?.duration_since(begin);
    // the edited object comes back as repaired in the first member too
    let all = repaired.reach(objects + 1, PATIENCE).await?.duration_since(begin);
    let heads = ["objects", "members", "hub ready", "first user edit in all members", "every drifted copy repaired", "hub's memory then"];
    let mut table = Table::new("after kill -9, from the start of the new process", &heads);
    table.row([objects.to_string(), setting.members.to_string(), time(ready), time(first), time(all), bytes(fleet.hub.resident())]);
    table.print();
    Ok(())
}

/// Where the memory is.
pub(crate) async fn memory(setting: Setting, objects: usize, rest: Duration) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(&setting).await?;
    let copies = objects * setting.members;
    let heads = ["when", "the hub's memory", "per object", "per copy, above the same objects placed nowhere", "writes of the hub so far"];
    let mut table = Table::new("the hub's resident memory", &heads);
    let per = |now: u64, of: u64, count: usize| bytes(now.saturating_sub(of) / count as u64);
    let none = String::new;
    let joined = fleet.hub.resident();
    table.row(["joined, nothing federated".into(), bytes(joined), none(), none(), versions(&fleet).await?.to_string()]);
    fleet.write("federatedconfigmaps", objects, |number| config_map(&name("map", number), To::None)).await?;
    idle(&fleet).await?;
    let nowhere = fleet.hub.resident();
    let what = format!("{objects} objects, placed nowhere");
    table.row([what, bytes(nowhere), per(nowhere, joined, objects), none(), versions(&fleet).await?.to_string()]);
    let seen = fleet.members.count("configmaps", |_| true, |_| true)?;
    let client = fleet.client.clone();
    let begin = Instant::now();
    share(objects, setting.writers, move |number| {
        let client = client.clone();
        async move {
            let patch = json!({"spec": {"placement": {"clusters": null, "clusterSelector": {}}}});
            client
                .patch(&federated("federatedconfigmaps"), NAMESPACE, &name("map", number), None, PatchKind::Merge, &patch, MANAGER, false)
                .await?;
            Ok(Duration::ZERO)
        }
    })
    .await?;
    let took = seen.reach(copies, PATIENCE).await?.duration_since(begin);
    idle(&fleet).await?;
    let row = async |fleet: &Fleet, what: String| {
        let now = fleet.hub.resident();
        Ok::<_, anyhow::Error>([what, bytes(now), per(now, joined, objects), per(now, nowhere, copies), versions(fleet).await?.to_string()])
    };
    table.row(row(&fleet, format!("placed in {} members ({} until the last copy)", setting.members, time(took))).await?);
    if !rest.is_zero() {
        tokio::time::sleep(rest).await;
        table.row(row(&fleet, format!("{} later", time(rest))).await?);
    }
    fleet.hub.kill()?;
    fleet.hub.start_again()?;
    fleet.client = fleet.hub.client().await?;
    let edited = fleet.members.count("configmaps", |_| true, |text| text.contains("edited"))?;
    let edit = json!({"spec": {"template": {"data": {"text": "edited"}}}});
    fleet.client.patch(&federated("federatedconfigmaps"), NAMESPACE, "first", None, PatchKind::Merge, &edit, MANAGER, false).await?;
    edited.reach(setting.members, PATIENCE).await?;
    idle(&fleet).await?;
    let again = fleet.hub.resident();
    table.row(row(&fleet, "after kill -9 and a restart, every copy compared".into()).await?);
    fleet.hub.stop()?;
    let alone = alone(&fleet.hub.store())?;
    table.row(["of that the API server, alone over the same store".into(), bytes(alone), per(alone, 0, objects), none(), none()]);
    let controllers = again.saturating_sub(alone);
    table.row(["and the controllers, by subtraction".into(), bytes(controllers), none(), per(controllers, 0, copies), none()]);
    table.print();
    Ok(())
}

/// The memory of a process that serves the hub's store and does nothing else.
fn alone(store: &Path) -> anyhow::Result<u64> {
    let program = std::env::current_exe().context("finding this program")?;
    let output = Command::new(program).arg("serve").arg(store).output().context("serving the store alone")?;
    ensure!(output.status.success(), "serving the store alone: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("serving the store alone printed {text:?}"))
}

/// Serves a store without any controller and says what memory that takes.
pub(crate) async fn serve(store: &Path) -> anyhow::Result<()> {
    let like_the_hub =
        Options { extractor: comity_apiserver::fields::extractor(), seldom_read: vec!["events".into()], ..Options::fjall(store) };
    let store = Store::open(like_the_hub)?;
    let authority = comity_pki::Authority::new("bench")?;
    let certificate = authority.issue_server(&["localhost"], &[[127, 0, 0, 1].into()])?;
    let tls = comity_pki::ServerTls::new(&certificate, None)?;
    let server = comity_apiserver::start(comity_apiserver::Config::new("bench", store, tls.config())).await?;
    note(&resident().context("the system tells no memory")?.to_string());
    drop(server);
    Ok(())
}

/// Many members.
pub(crate) async fn many(setting: Setting, few: usize, all: usize) -> anyhow::Result<()> {
    let fleet = Fleet::start(&setting).await?;
    let mut table = spread_table(&format!("{} members", setting.members));
    let groups = setting.members / 3;
    ensure!(groups > 0, "--members {}: three at least", setting.members);
    let map = move |number: usize| config_map(&name("few", number), To::Group(number % groups));
    fleet.spread("in three members each", "federatedconfigmaps", "configmaps", (few, few * 3), map, &mut table).await?;
    settled(&fleet).await?;
    let map = |number| config_map(&name("all", number), To::All);
    fleet.spread("in all members", "federatedconfigmaps", "configmaps", (all, all * setting.members), map, &mut table).await?;
    table.print();
    settled(&fleet).await?;
    let edited = fleet.members.count("configmaps", |_| true, |text| text.contains("edited"))?;
    let (before, revision, used) = (fleet.hub.written(), versions(&fleet).await?, fleet.hub.processor_time());
    let begin = Instant::now();
    let edit = json!({"spec": {"template": {"data": {"text": "edited"}}}});
    fleet.client.patch(&federated("federatedconfigmaps"), NAMESPACE, "first", None, PatchKind::Merge, &edit, MANAGER, false).await?;
    let took = edited.reach(setting.members, PATIENCE).await?.duration_since(begin);
    settled(&fleet).await?;
    let object = fleet.client.get(&federated("federatedconfigmaps"), NAMESPACE, "first").await?.context("the object exists")?;
    let heads = [
        "members",
        "until the last copy",
        "written by the hub",
        "revisions of the hub",
        "size of the object",
        "hub's processor time",
        "hub's memory",
        "hub's sockets",
    ];
    let mut table = Table::new("one change of one object that is in all members", &heads);
    table.row([
        setting.members.to_string(),
        time(took),
        bytes(fleet.hub.written() - before),
        (versions(&fleet).await? - revision).to_string(),
        bytes(object.to_string().len() as u64),
        time(fleet.hub.processor_time().saturating_sub(used)),
        bytes(fleet.hub.resident()),
        fleet.hub.sockets().to_string(),
    ]);
    table.print();
    Ok(())
}

/// The hub's revision: it grows by one with every write.
async fn versions(fleet: &Fleet) -> anyhow::Result<u64> {
    let list = fleet.client.list(&federated("federatedconfigmaps"), Some("none"), &comity_lane::ListOptions::default()).await?;
    list.resource_version.parse().context("the hub's revisions are numbers")
}

/// Waits until the hub has written nothing for two seconds: events and statuses follow what is measured.
async fn settled(fleet: &Fleet) -> anyhow::Result<()> {
    let mut last = versions(fleet).await?;
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = versions(fleet).await?;
        if now == last {
            return Ok(());
        }
        last = now;
    }
}

/// Waits until the hub writes nothing and computes next to nothing: after a start it compares copies without writing.
async fn idle(fleet: &Fleet) -> anyhow::Result<()> {
    const LITTLE: Duration = Duration::from_millis(100);
    loop {
        settled(fleet).await?;
        let before = fleet.hub.processor_time();
        tokio::time::sleep(Duration::from_secs(2)).await;
        if fleet.hub.processor_time().saturating_sub(before) < LITTLE {
            return Ok(());
        }
    }
}

fn limit(folder: &Path) -> anyhow::Result<()> {
    let measured = limits::fsyncs(folder, 200)?;
    let mut table = Table::new("limit of the machine", &["what", "p50", "p99", "per second"]);
    table.row([
        "append of 4 KiB and fdatasync".into(),
        time(measured.percentile(0.5)),
        time(measured.percentile(0.99)),
        rate(measured.rate()),
    ]);
    table.print();
    Ok(())
}

/// The machine's load of the last minute, where the system tells it, with its processors.
pub(crate) fn load() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{} on {processors} processors", text.split_whitespace().next().unwrap_or("unknown"))
}
