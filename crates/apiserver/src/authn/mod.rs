//! Authentication: from a connection and its headers to a user.

use comity_core::{Reason, Status};
use http::request::Parts;

use crate::{
    answer::Answer,
    config::Config,
    cx::Cx,
    registry::Resource,
    request::Request,
    user::{Peer, User},
};

/// State of authentication.
pub struct State {
    admin_tokens: Vec<String>,
}

impl State {
    /// From the settings.
    pub fn new(config: &Config) -> Self {
        Self { admin_tokens: config.admin_tokens.clone() }
    }
}

/// Who sent a request, before impersonation.
///
/// # Errors
/// 401 when a credential was presented that is not good.
pub async fn authenticate(cx: &Cx, _peer: &Peer, parts: &Parts) -> Result<User, Status> {
    let Some(header) = parts.headers.get(http::header::AUTHORIZATION) else { return Ok(User::anonymous()) };
    let token = header.to_str().ok().and_then(|h| h.strip_prefix("Bearer ")).unwrap_or("");
    if cx.authn.admin_tokens.iter().any(|t| t == token) {
        return Ok(User::new("admin", &[User::MASTERS]));
    }
    Err(Status::new(Reason::Unauthorized, "Unauthorized"))
}

/// `serviceaccounts/<name>/token`.
///
/// # Errors
/// As the API states them.
pub async fn token_request(_request: &Request, _resource: &Resource) -> Result<Answer, Status> {
    Err(Status::no_such_resource())
}
