//! Structural schemas of built-in and custom kinds: decoding, pruning, defaulting, validation, strategic merge, server-side apply, protobuf and OpenAPI, all from one recorded table.

pub mod table;
