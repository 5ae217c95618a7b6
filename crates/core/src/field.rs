//! Errors in fields of objects, with the texts that Kubernetes uses.

use std::fmt;

/// What kind of problem a field has; the names are the API's `causes[].reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Cause {
    FieldValueNotFound,
    FieldValueRequired,
    FieldValueDuplicate,
    FieldValueInvalid,
    FieldValueNotSupported,
    FieldValueForbidden,
    FieldValueTooLong,
    FieldValueTooMany,
    FieldValueTypeInvalid,
}

/// One problem of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Kind of problem.
    pub cause: Cause,
    /// Path of the field, such as `spec.containers[0].name`.
    pub field: String,
    /// The whole text after the path, such as `Required value: must have a name`.
    pub detail: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.detail)
    }
}

impl FieldError {
    /// `Required value` with an optional explanation.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(Cause::FieldValueRequired, field, join("Required value", detail))
    }

    /// `Invalid value: <value>: <detail>`; the value is printed as JSON.
    pub fn invalid(field: impl Into<String>, value: &serde_json::Value, detail: &str) -> Self {
        Self::new(Cause::FieldValueInvalid, field, join(&format!("Invalid value: {value}"), detail))
    }

    /// `Unsupported value: <value>: supported values: "a", "b"`.
    pub fn not_supported(field: impl Into<String>, value: &serde_json::Value, supported: &[&str]) -> Self {
        let list = supported.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ");
        Self::new(Cause::FieldValueNotSupported, field, format!("Unsupported value: {value}: supported values: {list}"))
    }

    /// `Duplicate value: <value>`.
    pub fn duplicate(field: impl Into<String>, value: &serde_json::Value) -> Self {
        Self::new(Cause::FieldValueDuplicate, field, format!("Duplicate value: {value}"))
    }

    /// `Forbidden: <detail>`.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(Cause::FieldValueForbidden, field, join("Forbidden", detail))
    }

    /// `Too long: may not be more than N bytes`.
    pub fn too_long(field: impl Into<String>, max: usize) -> Self {
        Self::new(Cause::FieldValueTooLong, field, format!("Too long: may not be more than {max} bytes"))
    }

    /// `Not found: <value>`.
    pub fn not_found(field: impl Into<String>, value: &serde_json::Value) -> Self {
        Self::new(Cause::FieldValueNotFound, field, format!("Not found: {value}"))
    }

    /// `Invalid value: <value>: <detail>` with the cause of a wrong type.
    pub fn type_invalid(field: impl Into<String>, value: &serde_json::Value, detail: &str) -> Self {
        Self::new(Cause::FieldValueTypeInvalid, field, join(&format!("Invalid value: {value}"), detail))
    }

    fn new(cause: Cause, field: impl Into<String>, detail: String) -> Self {
        Self { cause, field: field.into(), detail }
    }
}

fn join(head: &str, detail: &str) -> String {
    if detail.is_empty() { head.to_owned() } else { format!("{head}: {detail}") }
}
