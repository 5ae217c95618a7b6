//! Measures federation as it grows: many objects, many members, a restart, memory.
//!
//! The hub is the built program in a process of its own; the members are embedded API servers in this process, with their
//! objects in memory, so that thousands of them fit on one machine and the hub's disk is the only one.

mod cases;
mod hub;
mod isolation;
mod members;
mod objects;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Where everything happens.
pub(crate) const NAMESPACE: &str = "bench";

/// Measures a hub with many objects or many members.
#[derive(Parser)]
struct Arguments {
    /// What is measured.
    #[command(subcommand)]
    case: Case,
    /// The built `comity` [default: beside this program].
    #[arg(long, global = true)]
    comity: Option<PathBuf>,
    /// Writers at a time.
    #[arg(long, global = true, default_value_t = 16)]
    writers: usize,
    /// Where the hub's files go: the disk to measure.
    #[arg(long, global = true, default_value = "target")]
    directory: PathBuf,
}

#[derive(Subcommand)]
enum Case {
    /// Objects into every member, cold: ConfigMaps, then Deployments without replicas
    FanOut {
        /// Federated objects of each kind.
        #[arg(long, default_value_t = 1000)]
        objects: usize,
        /// Members.
        #[arg(long, default_value_t = 5)]
        members: usize,
    },
    /// The hub is killed, every object drifts in one member, and the hub comes back
    Restart {
        /// Federated objects.
        #[arg(long, default_value_t = 5000)]
        objects: usize,
        /// Members.
        #[arg(long, default_value_t = 5)]
        members: usize,
    },
    /// Resident memory: the objects alone, then with their copies, then after a restart, then the API server alone
    Memory {
        /// Federated objects.
        #[arg(long, default_value_t = 10_000)]
        objects: usize,
        /// Members.
        #[arg(long, default_value_t = 5)]
        members: usize,
        /// Seconds of rest before the restart, after which the memory is looked at again; the watch history lasts 300.
        #[arg(long, default_value_t = 0)]
        rest: u64,
    },
    /// Many members: each object in three of them, then some objects in all, then one change of one object in all
    Many {
        /// Members.
        #[arg(long, default_value_t = 100)]
        members: usize,
        /// Objects that are in three members each.
        #[arg(long, default_value_t = 1000)]
        few: usize,
        /// Objects that are in all members.
        #[arg(long, default_value_t = 100)]
        all: usize,
    },
    /// What the others notice while one of the members never answers, takes ten seconds, or refuses connections
    Isolation {
        /// Members, of which one breaks.
        #[arg(long, default_value_t = 5)]
        members: usize,
        /// Edits without a fault, and with each.
        #[arg(long, default_value_t = 500)]
        samples: usize,
        /// Milliseconds from one edit to the next.
        #[arg(long, default_value_t = 50)]
        pace: u64,
    },
    /// (run by `memory`) Serves a store without any controller and prints what memory that takes
    #[command(hide = true)]
    Serve {
        /// The store's folder.
        store: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().context("starting the clients")?;
    if let Case::Serve { store } = &arguments.case {
        return runtime.block_on(cases::serve(store));
    }
    let comity = comity_benches::program::find(arguments.comity.as_deref())?;
    let directory = tempfile::Builder::new()
        .prefix("bench-scale-")
        .tempdir_in(&arguments.directory)
        .with_context(|| format!("creating a folder in {} (--directory)", arguments.directory.display()))?;
    let folder = directory.path().canonicalize()?;
    let setting = |members| cases::Setting { comity: comity.clone(), folder: folder.clone(), writers: arguments.writers, members };
    runtime.block_on(async {
        match arguments.case {
            Case::FanOut { objects, members } => cases::fan_out(setting(members), objects).await,
            Case::Restart { objects, members } => cases::restart(setting(members), objects).await,
            Case::Memory { objects, members, rest } => cases::memory(setting(members), objects, std::time::Duration::from_secs(rest)).await,
            Case::Many { members, few, all } => cases::many(setting(members), few, all).await,
            Case::Isolation { members, samples, pace } => isolation::run(setting(members), samples, Duration::from_millis(pace)).await,
            Case::Serve { .. } => Ok(()),
        }
    })
}
