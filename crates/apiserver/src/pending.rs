//! Stand-ins for parts of the schema crate until those land; each refuses what it cannot do.

/// Field ownership.
pub mod managed {
    use comity_core::{Status, Value};
    use comity_schema::Schema;

    /// What is known about a write.
    #[allow(dead_code, reason = "read by the real one")]
    pub struct Write<'a> {
        /// Who writes.
        pub manager: &'a str,
        /// In which version.
        pub api_version: &'a str,
        /// Through which subresource.
        pub subresource: &'a str,
        /// When.
        pub now: &'a str,
        /// Top-level fields that the endpoint does not own.
        pub reset: &'a [&'a str],
    }

    /// Server-side apply.
    ///
    /// # Errors
    /// Always.
    pub fn apply(_: &Schema, _: Option<&Value>, _: &Value, _: bool, _: &Write<'_>) -> Result<Option<Value>, Status> {
        Err(crate::handlers::body::unsupported_media_type(&["application/json-patch+json", "application/merge-patch+json"]))
    }

    /// Every other write.
    pub fn update(_: &Schema, _: Option<&Value>, new: Value, _: &Write<'_>) -> Value {
        new
    }

    /// Takes back new times.
    pub fn keep_times(_: &Value, _: &mut Value) {}
}

/// Strategic merge patch.
pub mod strategic {
    use comity_core::{Status, Value};
    use comity_schema::Schema;

    /// Merges.
    ///
    /// # Errors
    /// Always.
    pub fn merge(_: &Schema, _: &Value, _: &Value) -> Result<Value, Status> {
        Err(crate::handlers::body::unsupported_media_type(&["application/json-patch+json", "application/merge-patch+json"]))
    }
}

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
