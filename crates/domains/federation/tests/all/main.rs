//! The tests of federation: situations as files, properties, and real control planes.

mod fixtures;
mod properties;
mod real;
mod world;
