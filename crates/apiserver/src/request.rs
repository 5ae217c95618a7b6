//! One request on its way through the handlers.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;

use crate::{
    cx::Cx,
    frame::{accept::Accept, path::RequestInfo, query::Query},
    user::User,
};

/// A request after authentication and authorization, with its whole body.
pub struct Request {
    /// The server.
    pub cx: Cx,
    /// What is asked for.
    pub info: RequestInfo,
    /// Who asks.
    pub user: Arc<User>,
    /// Query parameters.
    pub query: Query,
    /// Headers.
    pub headers: HeaderMap,
    /// How the answer is to be written.
    pub accept: Accept,
    /// The body; empty for reads.
    pub body: Bytes,
    /// Texts for `Warning` headers.
    pub warnings: Warnings,
}

impl Request {
    /// A header's text, empty when absent or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// The content type without parameters, in lower case; empty when absent.
    pub fn content_type(&self) -> String {
        self.header("content-type").split(';').next().unwrap_or("").trim().to_ascii_lowercase()
    }
}

/// Collects warnings for the client; equal texts count once.
#[derive(Clone, Debug, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Adds a text.
    pub fn add(&self, text: impl Into<String>) {
        let text = text.into();
        let mut texts = self.0.lock();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }

    /// All texts so far.
    pub fn texts(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}
