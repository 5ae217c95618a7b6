//! Stand-ins for parts of the schema crate until those land; each refuses what it cannot do.

/// Rules of built-in kinds.
pub mod validation {
    use comity_core::{FieldError, GroupVersionKind, Value};

    /// What is wrong.
    pub fn builtin(_: &GroupVersionKind, _: &Value, _: Option<&Value>) -> Vec<FieldError> {
        Vec::new()
    }
}
