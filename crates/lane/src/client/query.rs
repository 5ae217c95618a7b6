//! Query strings, percent-encoded.

use std::fmt::Write;

/// The parameters of a request; empty values are left out.
#[derive(Default)]
pub(super) struct Query(String);

impl Query {
    /// The parameters of a write under a field manager.
    pub(super) fn manager(manager: &str) -> Self {
        let mut query = Self::default();
        query.text("fieldManager", manager);
        query
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(key);
        self.0.push('=');
        self.0.push_str(&escape(value));
    }

    /// The path with the parameters behind it.
    pub(super) fn on(&self, path: &str) -> String {
        if self.0.is_empty() { path.to_owned() } else { format!("{path}?{}", self.0) }
    }
}

/// Percent-encodes everything but unreserved characters.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // writing to a String cannot fail
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
