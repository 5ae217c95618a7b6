//! The vocabulary that every crate of Comity shares.
//!
//! Objects are plain [`Value`]s whose keys keep their order; this crate gives them names, accessors and rules.
//! Nothing here performs IO, reads a clock or knows a client.

pub mod condition;
pub mod confidential;
pub mod decode;
pub mod digest;
pub mod duration;
pub mod encode;
pub mod field;
pub mod kinds;
pub mod labels;
pub mod marks;
pub mod names;
pub mod object;
pub mod quantity;
pub mod selector;
pub mod status;
pub mod time;

pub use decode::{Decoded, decode_json, decode_yaml};
pub use encode::encode_yaml;
pub use field::{Cause, FieldError};
pub use kinds::{GroupKind, GroupResource, GroupVersionKind, GroupVersionResource};
pub use selector::{FieldSelector, LabelSelector};
pub use serde_json::{Map, Value, json};
pub use status::{ApiResult, Reason, Status};
