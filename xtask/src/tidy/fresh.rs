//! Recorded files belong to the pinned versions, the fixtures and the recorder of this tree.

use std::fs;

use anyhow::Context;
use comity_schema::table::TableFile;
use comity_testkit_core::compare::recording;

use crate::record::stamp;
use crate::run::top;

const AGAIN: &str = "run `cargo xtask record` (after `cargo xtask real`)";

/// Whether the schema table has to be recorded again.
pub fn check() -> anyhow::Result<Vec<String>> {
    let packed = fs::read(top().join("crates/schema/data/kubernetes.json.zst")).context("read the schema table")?;
    let table: TableFile = serde_json::from_slice(&zstd::decode_all(packed.as_slice())?).context("read the schema table")?;
    let mut problems = Vec::new();
    let pinned = fs::read_to_string(top().join("tests/real/go.mod"))?;
    if !pinned.contains(&format!("k8s.io/kubernetes {}\n", table.kubernetes)) {
        problems.push(format!("crates/schema/data: recorded from {}, which tests/real/go.mod does not require: {AGAIN}", table.kubernetes));
    }
    if table.stamp != stamp()? {
        problems.push(format!("crates/schema/data: the fixtures, the recorder or tests/real/go.mod changed since the recording: {AGAIN}"));
    }
    problems.extend(recording::stale(&recording::scripts_folder(&top()))?);
    Ok(problems)
}
