//! `cargo xtask record`: the schema table, asked from a real API server and read from the published protobuf definitions.

mod bootstrap;
mod discovery;
mod filled;
mod openapi;
mod proto;
mod report;
mod stamp;

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use comity_schema::table::TableFile;
use comity_testkit_core::cache;
use comity_testkit_core::compare::recording;
use comity_testkit_core::real::{Parts, RealCluster};

use crate::run::{say, top};

pub use stamp::stamp;

/// Admission plugins that would mix their own additions into what defaulting fills in.
const WITHOUT: &str = "--disable-admission-plugins=ServiceAccount,Priority,DefaultTolerationSeconds,TaintNodesByCondition,\
                       StorageObjectInUseProtection,DefaultStorageClass,DefaultIngressClass,RuntimeClass,LimitRanger,ResourceQuota,PodTopologyLabels";

const JSON: &str = "application/json";

/// Compression level of the committed files: slow to write, as fast as any to read.
const LEVEL: i32 = 22;

/// Writes `crates/schema/data`.
pub fn record() -> anyhow::Result<()> {
    let cluster = RealCluster::find(Parts::ApiServer)?.flag(WITHOUT).start()?;
    let client = cluster.client();
    say("server is ready");

    let v2 = client.get("/openapi/v2", JSON)?;
    let mut v3 = BTreeMap::new();
    let index = client.get("/openapi/v3", JSON)?;
    for (path, entry) in index["paths"].as_object().context("/openapi/v3 has no paths")? {
        let url = entry["serverRelativeURL"].as_str().context("an entry of /openapi/v3 has no serverRelativeURL")?;
        v3.insert(path.clone(), client.get(url, JSON)?);
    }
    let mut types = openapi::types(&v2, &v3)?;
    let descriptions = openapi::descriptions(&v2, &v3);
    let mut notes = proto::complete(&mut types, &proto::read_modules()?);

    let (groups, mut resources) = discovery::resources(client, &v2, &types)?;
    let seen = filled::observe(client, &resources, &types)?;
    notes.extend(filled::settle(&seen, &mut types, &mut resources));

    let table = TableFile {
        kubernetes: cache::KUBERNETES.to_owned(),
        stamp: stamp()?,
        groups,
        resources,
        types,
        bootstrap_rbac: bootstrap::rbac(client)?,
        bootstrap_objects: bootstrap::objects(client)?,
    };
    let folder = top().join("crates/schema/data");
    fs::create_dir_all(&folder)?;
    for (name, bytes) in
        [("kubernetes.json.zst", serde_json::to_vec(&table)?), ("descriptions.json.zst", serde_json::to_vec(&descriptions)?)]
    {
        let packed = zstd::bulk::compress(&bytes, LEVEL)?;
        say(&format!("{name}: {} bytes of JSON, {} packed", bytes.len(), packed.len()));
        fs::write(folder.join(name), packed)?;
    }
    fs::write(folder.join("README.md"), report::readme(&table, &notes))?;
    drop(cluster);

    let cluster = RealCluster::find(Parts::ApiServer)?.start()?;
    let client = cluster.client();
    let count = recording::record(&recording::scripts_folder(&top()), client)?;
    say(&format!("{count} answers to comparison scripts"));
    Ok(())
}
