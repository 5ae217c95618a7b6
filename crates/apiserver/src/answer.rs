//! What a handler answers with, before it becomes an HTTP response.

use std::pin::Pin;

use bytes::Bytes;
use comity_core::{Status, Value};
use futures::Stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// `Content-Type` of JSON answers.
pub const JSON: &str = "application/json";
/// `Content-Type` of YAML answers.
pub const YAML: &str = "application/yaml";
/// `Content-Type` of text answers.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// Chunks that become available over time.
pub type Chunks = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// An answer: code, headers and a body that is either there or still coming.
pub struct Answer {
    /// Status code.
    pub code: StatusCode,
    /// Headers of this answer; those of every answer are added later.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
}

/// A body.
pub enum Payload {
    /// Pieces that are sent one after the other; none are copied.
    Pieces(Vec<Bytes>),
    /// Pieces that are made while they are sent; never compressed.
    Stream(Chunks),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("code", &self.code).field("headers", &self.headers).finish_non_exhaustive()
    }
}

impl Answer {
    /// A body of known bytes.
    pub fn bytes(code: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::pieces(code, content_type, vec![body.into()])
    }

    /// A body of several pieces.
    pub fn pieces(code: u16, content_type: &'static str, pieces: Vec<Bytes>) -> Self {
        Self { code: status_code(code), headers: content_type_header(content_type), payload: Payload::Pieces(pieces) }
    }

    /// A JSON value, with the line end that the API puts after buffered objects.
    pub fn json(code: u16, value: &Value) -> Self {
        let mut body = value.to_string();
        body.push('\n');
        Self::bytes(code, JSON, body)
    }

    /// Plain text.
    pub fn text(code: u16, text: impl Into<String>) -> Self {
        Self::bytes(code, TEXT, text.into())
    }

    /// A failure as a `Status` object.
    pub fn failure(status: &Status) -> Self {
        let mut answer = Self::json(status.code, &status.to_value());
        if let Some(seconds) = status.details.get("retryAfterSeconds").and_then(Value::as_u64) {
            answer = answer.with_header(header::RETRY_AFTER, &seconds.to_string());
        }
        answer
    }

    /// A body that is made while it is sent.
    pub fn stream(code: u16, content_type: &'static str, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self { code: status_code(code), headers: content_type_header(content_type), payload: Payload::Stream(Box::pin(chunks)) }
    }

    /// Adds a header; a value that no header may hold is left out.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }
}

fn status_code(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn content_type_header(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers
}
