//! Stand-ins for the schema and store crates' types until those land; removed then.
#![allow(missing_docs, reason = "removed when the crates land")]

use std::sync::Arc;

pub use comity_schema::table::Subresource;

#[derive(Clone, Debug, Default)]
pub struct Schema;

#[derive(Clone, Debug, Default)]
pub struct ResourceInfo {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub verbs: Vec<String>,
    pub namespaced: bool,
    pub subresources: Vec<Subresource>,
    pub schema: Schema,
}

pub fn resources() -> Vec<Arc<ResourceInfo>> {
    Vec::new()
}

#[derive(Clone)]
pub struct Store;
