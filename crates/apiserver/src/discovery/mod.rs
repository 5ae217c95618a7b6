//! Paths outside resources: discovery, version, health, OpenAPI.

use comity_core::Status;

use crate::{answer::Answer, config::Config, request::Request};

/// State of discovery and OpenAPI.
pub struct State;

impl State {
    /// From the settings.
    pub fn new(_config: &Config) -> Self {
        Self
    }
}

/// Answers a path that is no resource; nothing when it is not known.
///
/// # Errors
/// As the API states them.
pub async fn serve(request: &Request) -> Result<Option<Answer>, Status> {
    Ok(match request.info.path.as_str() {
        "/healthz" | "/livez" | "/readyz" => Some(Answer::text(200, "ok")),
        _ => None,
    })
}
