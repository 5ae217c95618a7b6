//! The tests of federation: situations as files, properties, and real control planes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod fixtures;
mod properties;
mod real;
mod world;
