//! End to end: the built binary, stock clients, one scenario per file.

#![allow(clippy::unwrap_used, reason = "a scenario that cannot go on has failed")]

mod fleet;
mod scenarios;

mod absence;
mod adopt;
mod authority;
mod bad_input;
mod credentials;
mod deletion;
mod docs;
mod full_file_system;
mod isolation;
mod kills;
mod leave;
mod page;
mod power_loss;
mod real_hub;
mod recover;
mod repair;
mod restart;
mod secrets;
mod types;
mod verbs;
mod workloads;
