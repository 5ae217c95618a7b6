//! Stand-ins for parts of the schema crate until those land; each refuses what it cannot do.

/// Protobuf bodies.
pub mod protobuf {
    use comity_core::{Status, Value};

    /// Decodes.
    ///
    /// # Errors
    /// Always.
    pub fn decode(_: &[u8]) -> Result<Value, Status> {
        Err(crate::handlers::body::unsupported_media_type(&["application/json", "application/yaml"]))
    }
}

/// Rules of built-in kinds.
pub mod validation {
    use comity_core::{FieldError, GroupVersionKind, Value};

    /// What is wrong.
    pub fn builtin(_: &GroupVersionKind, _: &Value, _: Option<&Value>) -> Vec<FieldError> {
        Vec::new()
    }
}
