//! Walks over an object along its type: dropping what is unknown, checking JSON types, bringing it into canonical form.

mod canonical;
mod prune;
mod strict;
mod types;

#[cfg(test)]
pub(crate) use canonical::canonical as canonical_value;
pub(crate) use canonical::canonicalize;
pub(crate) use prune::prune;
pub use strict::{strict_error, strict_parts};
pub(crate) use types::{bytes_of, check_types, go_duration, go_name};
