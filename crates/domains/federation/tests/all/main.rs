//! The tests of federation: situations as files, properties, and scenarios over embedded and real clusters.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod adoption;
mod audit;
mod connections;
mod drift;
mod fixtures;
mod guard;
mod isolation;
mod ownership;
mod properties;
mod scenarios;
mod simulation;
mod tombstones;
mod webhook;
mod world;
