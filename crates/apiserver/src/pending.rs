//! Names that the schema and store crates provide.

use std::sync::Arc;

pub use comity_schema::{ResourceInfo, Schema, Subresource};
pub use comity_store::Store;

/// The built-in resources.
pub fn resources() -> Vec<Arc<ResourceInfo>> {
    comity_schema::builtin::table().resources().to_vec()
}
