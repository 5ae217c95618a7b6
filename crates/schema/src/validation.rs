//! Validation with the API's texts: metadata of every kind, and the rules of built-in kinds.

mod metadata;

use comity_core::{FieldError, Value};

pub use metadata::{NameRule, metadata, metadata_update};

use crate::{crd, schema::Schema};

/// Structural rules of custom kinds; built-ins have none of this sort.
pub(crate) fn structural(schema: &Schema, v: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(check) = &schema.check else { return Vec::new() };
    let mut errors = check.errors(v, old);
    errors.extend(crd::embedded(schema.root(), v));
    // Lists that were not unique before may stay so.
    if old.is_none_or(|old| crd::list_uniqueness(schema.root(), old).is_empty()) {
        errors.extend(crd::list_uniqueness(schema.root(), v));
    }
    errors
}
