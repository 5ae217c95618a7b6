//! What can go wrong with a request to a cluster.

use std::{error::Error as _, io, time::Duration};

use comity_core::{Reason, Status, json};

/// Why a request gave no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered with a failure.
    #[error("{0}")]
    Api(Status),
    /// 401: the credentials are not accepted (expired, revoked or unknown).
    #[error("the cluster does not accept the credentials: {0}")]
    Unauthorized(Status),
    /// No connection: refused, no route, name not found, TLS failed, or cut before the answer.
    #[error("cannot reach the cluster: {0}")]
    Unreachable(String),
    /// No answer in time; the request may or may not have been carried out.
    #[error("no answer from the cluster in time")]
    Timeout,
    /// The answer, or the request, is not what the API says it must be.
    #[error("unreadable answer from the cluster: {0}")]
    Malformed(String),
}

impl ClientError {
    /// A failure that the server told.
    pub fn of_status(status: Status) -> Self {
        if status.code == 401 { ClientError::Unauthorized(status) } else { ClientError::Api(status) }
    }

    /// The server's status, if it told one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            ClientError::Api(status) | ClientError::Unauthorized(status) => Some(status),
            _ => None,
        }
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(|s| s.code == 404)
    }

    /// 409 because the object exists.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(|s| s.reason == Reason::AlreadyExists)
    }

    /// 409 because the object has changed (or a precondition does not hold).
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(|s| s.reason == Reason::Conflict)
    }

    /// 410: the revision asked for is no longer kept.
    pub fn is_expired(&self) -> bool {
        self.status().is_some_and(|s| s.code == 410)
    }

    /// Whether the namespace of a refused create is going away.
    pub fn is_namespace_terminating(&self) -> bool {
        self.status().is_some_and(|s| s.has_cause("NamespaceTerminating"))
    }

    /// 429 or 503: how long the cluster wants to be left alone, at least a second and at most a minute.
    pub fn overload(&self) -> Option<Duration> {
        let status = self.status().filter(|s| matches!(s.code, 429 | 503))?;
        let seconds = status.details.get("retryAfterSeconds").and_then(|s| s.as_u64()).unwrap_or(1);
        Some(Duration::from_secs(seconds.clamp(1, 60)))
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            ClientError::Unreachable(_) | ClientError::Timeout => true,
            ClientError::Api(status) => status.code == 429 || status.code >= 500 || status.reason == Reason::Conflict,
            ClientError::Unauthorized(_) | ClientError::Malformed(_) => false,
        }
    }
}

impl From<kube::Error> for ClientError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let value = serde_json::to_value(&*status).unwrap_or_else(|_| json!({}));
                let mut read = Status::from_value(status.code, &value);
                if read.message.is_empty() {
                    read.message = status.message.to_string();
                }
                ClientError::of_status(read)
            }
            kube::Error::SerdeError(e) => ClientError::Malformed(e.to_string()),
            kube::Error::FromUtf8(e) => ClientError::Malformed(e.to_string()),
            other if timed_out(&other) => ClientError::Timeout,
            other => ClientError::Unreachable(innermost(&other)),
        }
    }
}

/// Whether an I/O time-out is at the bottom of the error.
fn timed_out(error: &kube::Error) -> bool {
    let mut at = error.source();
    while let Some(cause) = at {
        if cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        at = cause.source();
    }
    false
}

/// The text of the last cause: it names what happened, the ones above only repeat where.
fn innermost(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        text = cause.to_string();
        at = cause.source();
    }
    text
}
