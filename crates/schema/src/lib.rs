//! Structural schemas of built-in and custom kinds: decoding, pruning, defaulting, validation, strategic merge, server-side apply, protobuf and OpenAPI, all from one recorded table.

pub mod builtin;
pub mod crd;
mod defaults;
pub mod managed;
pub mod node;
pub mod openapi;
pub mod protobuf;
mod schema;
mod shapes;
pub mod strategic;
pub mod table;
pub mod validation;
mod walk;

pub use builtin::{Column, Generation, ResourceInfo, Strategy, Subresource};
pub use schema::Schema;
pub use walk::{strict_error, strict_parts};
