//! The command line of `comity`: what it can do, how it talks, and how it fails.

pub mod contexts;
pub mod error;
pub mod printer;
pub mod table;

mod args;
mod commands;
pub mod crash;
mod logging;
mod manifests;
mod running;
mod yaml;

pub use args::{command, run};
pub use yaml::yaml;
