//! The API's error answer: `Status`.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::{
    field::FieldError,
    kinds::{GroupKind, GroupResource},
};

/// A result whose error is an API status.
pub type ApiResult<T> = Result<T, Status>;

/// Machine-readable reason of a failure; the names are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Reason {
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    Invalid,
    TooManyRequests,
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    InternalError,
    ServerTimeout,
    ServiceUnavailable,
    Timeout,
    /// A failure that no reason fits; the answer has none.
    Unknown,
}

impl Reason {
    /// The HTTP status code that goes with the reason.
    pub fn code(self) -> u16 {
        match self {
            Reason::Unauthorized => 401,
            Reason::Forbidden => 403,
            Reason::NotFound => 404,
            Reason::AlreadyExists | Reason::Conflict => 409,
            Reason::Gone | Reason::Expired => 410,
            Reason::Invalid => 422,
            Reason::TooManyRequests => 429,
            Reason::BadRequest => 400,
            Reason::MethodNotAllowed => 405,
            Reason::NotAcceptable => 406,
            Reason::RequestEntityTooLarge => 413,
            Reason::UnsupportedMediaType => 415,
            Reason::InternalError | Reason::ServerTimeout | Reason::Unknown => 500,
            Reason::ServiceUnavailable => 503,
            Reason::Timeout => 504,
        }
    }

    /// The reason of this name, if the API has it.
    pub fn parse(name: &str) -> Option<Self> {
        ALL_REASONS.into_iter().find(|reason| format!("{reason:?}") == name)
    }

    /// The reason that best fits an HTTP status code, for answers that name none.
    pub fn of_code(code: u16) -> Self {
        match code {
            410 => Reason::Expired,
            409 => Reason::Conflict,
            500 => Reason::InternalError,
            code => ALL_REASONS.into_iter().find(|reason| reason.code() == code).unwrap_or(Reason::InternalError),
        }
    }
}

const ALL_REASONS: [Reason; 18] = [
    Reason::Unauthorized,
    Reason::Forbidden,
    Reason::NotFound,
    Reason::AlreadyExists,
    Reason::Conflict,
    Reason::Gone,
    Reason::Expired,
    Reason::Invalid,
    Reason::TooManyRequests,
    Reason::BadRequest,
    Reason::MethodNotAllowed,
    Reason::NotAcceptable,
    Reason::RequestEntityTooLarge,
    Reason::UnsupportedMediaType,
    Reason::InternalError,
    Reason::ServerTimeout,
    Reason::ServiceUnavailable,
    Reason::Timeout,
];

/// A failure as the API tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason.
    pub reason: Reason,
    /// What went wrong, for people; clients print it and some parse it.
    pub message: String,
    /// `details`: name, group, kind, uid, causes, retryAfterSeconds.
    pub details: Map<String, Value>,
    /// `metadata.continue`, only for expired list tokens.
    pub continue_token: Option<String>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

impl Status {
    /// A failure without details.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { code: reason.code(), reason, message: message.into(), details: Map::new(), continue_token: None }
    }

    /// 404 for one object.
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        Self::new(Reason::NotFound, format!("{resource} {name:?} not found")).about(resource, name)
    }

    /// 404 for a path that serves nothing.
    pub fn no_such_resource() -> Self {
        Self::new(Reason::NotFound, "the server could not find the requested resource")
    }

    /// 409 for a create of what exists.
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        Self::new(Reason::AlreadyExists, format!("{resource} {name:?} already exists")).about(resource, name)
    }

    /// 409 for a write on an old state.
    pub fn conflict(resource: &GroupResource, name: &str, why: &str) -> Self {
        Self::new(Reason::Conflict, format!("Operation cannot be fulfilled on {resource} {name:?}: {why}")).about(resource, name)
    }

    /// 409 for a stale resourceVersion, with the text that clients know.
    pub fn stale(resource: &GroupResource, name: &str) -> Self {
        Self::conflict(resource, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    /// 422 with one cause per field.
    pub fn invalid(kind: &GroupKind, name: &str, errors: &[FieldError]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for error in errors {
            let text = error.to_string();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let text = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut status = Self::new(Reason::Invalid, format!("{kind} {name:?} is invalid: {text}"));
        status.details = details(name, &kind.group, &kind.kind);
        let causes = errors.iter().map(|e| json!({"reason": format!("{:?}", e.cause), "message": e.detail, "field": e.field})).collect();
        status.details.insert("causes".to_owned(), Value::Array(causes));
        status
    }

    /// 403 for one object; `why` follows `is forbidden: `.
    pub fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = match (resource.resource.is_empty(), name.is_empty()) {
            (true, _) => format!("forbidden: {why}"),
            (false, true) => format!("{resource} is forbidden: {why}"),
            (false, false) => format!("{resource} {name:?} is forbidden: {why}"),
        };
        Self::new(Reason::Forbidden, message).about(resource, name)
    }

    /// 400 with a text.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// 500: a fault of the server itself.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Reason::InternalError, format!("Internal error occurred: {message}"))
    }

    /// Names the object in `details`.
    #[must_use]
    pub fn about(mut self, resource: &GroupResource, name: &str) -> Self {
        self.details = details(name, &resource.group, &resource.resource);
        self
    }

    /// Adds a cause to `details`.
    #[must_use]
    pub fn with_cause(mut self, reason: &str, message: &str, field: &str) -> Self {
        let mut cause = Map::new();
        for (key, value) in [("reason", reason), ("message", message), ("field", field)] {
            if !value.is_empty() {
                cause.insert(key.to_owned(), value.into());
            }
        }
        match self.details.entry("causes").or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(causes) => causes.push(Value::Object(cause)),
            other => *other = Value::Array(vec![Value::Object(cause)]),
        }
        self
    }

    /// Asks the client to come back after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.details.insert("retryAfterSeconds".to_owned(), seconds.into());
        self
    }

    /// Reads a `Status` object that a server answered; the HTTP code stands in for what it leaves out.
    pub fn from_value(http_code: u16, value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let code = value.get("code").and_then(Value::as_u64).and_then(|c| u16::try_from(c).ok()).unwrap_or(http_code);
        let token = value.pointer("/metadata/continue").and_then(Value::as_str).filter(|t| !t.is_empty());
        Self {
            code,
            reason: Reason::parse(text("reason")).unwrap_or_else(|| Reason::of_code(code)),
            message: text("message").to_owned(),
            details: value.get("details").and_then(Value::as_object).cloned().unwrap_or_default(),
            continue_token: token.map(str::to_owned),
        }
    }

    /// Whether `details.causes` has a cause with this reason.
    pub fn has_cause(&self, reason: &str) -> bool {
        let causes = self.details.get("causes").and_then(Value::as_array);
        causes.is_some_and(|causes| causes.iter().any(|cause| cause["reason"] == reason))
    }

    /// The `Status` object that is sent.
    pub fn to_value(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(token) = &self.continue_token {
            metadata.insert("continue".to_owned(), token.clone().into());
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
            "message": self.message, "reason": format!("{:?}", self.reason),
        });
        if self.reason == Reason::Unknown
            && let Some(fields) = status.as_object_mut()
        {
            fields.shift_remove("reason");
        }
        // The API always writes the details of these, even when it has none.
        if !self.details.is_empty() || matches!(self.reason, Reason::NotFound | Reason::Forbidden | Reason::MethodNotAllowed) {
            status["details"] = Value::Object(self.details.clone());
        }
        status["code"] = self.code.into();
        status
    }
}

fn details(name: &str, group: &str, kind: &str) -> Map<String, Value> {
    let mut details = Map::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            details.insert(key.to_owned(), value.into());
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sent_status_reads_back_the_same() {
        let mut status = Status::stale(&GroupResource::new("apps", "deployments"), "web").with_cause("X", "y", "").retry_after(3);
        status.continue_token = Some("abc".to_owned());
        assert_eq!(Status::from_value(200, &status.to_value()), status);
        assert!(status.has_cause("X") && !status.has_cause("Y"));
    }

    #[test]
    fn an_answer_without_a_status_takes_its_reason_from_the_http_code() {
        let status = Status::from_value(404, &json!({"message": "no"}));
        assert_eq!((status.code, status.reason), (404, Reason::NotFound));
        assert_eq!(Status::from_value(418, &json!({})).reason, Reason::InternalError);
    }
}
