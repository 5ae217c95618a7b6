//! Custom kinds: from the `openAPIV3Schema` of a definition's version to a compiled type, and the rules for definitions themselves.

mod check;
mod compile;
mod format;
mod schema_rules;
mod structural;
mod validate;

pub(crate) use check::Check;
pub use compile::compile;
pub(crate) use structural::{embedded, list_uniqueness};
pub use validate::validate_definition;
