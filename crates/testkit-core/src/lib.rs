//! Test helpers without a product dependency: real control planes, stock clients, child processes, free ports.
//!
//! Everything here blocks; asynchronous tests call it through `spawn_blocking`.

pub mod binary;
pub mod cache;
pub mod child;
pub mod client;
pub mod compare;
pub mod kubectl;
pub mod ports;
pub mod real;
pub mod run;
