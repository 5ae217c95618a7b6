//! Authentication: from a connection and its headers to a user.
//!
//! A client certificate comes first, then a bearer token: a static one, or one that this server issued for a service
//! account. Without credentials a request is anonymous; a credential that is not good is never ignored.

pub mod impersonate;
pub mod secret_tokens;
pub mod service_account;
mod x509;

use std::{collections::HashMap, sync::Arc};

use base64::Engine as _;
use comity_core::{Reason, Status, Value};
use comity_store::Key;
use http::{header, request::Parts};
use parking_lot::Mutex;

use crate::{
    answer::Answer,
    config::Config,
    cx::Cx,
    registry::Resource,
    request::Request,
    reviews,
    user::{Peer, User},
};

/// How many verified tokens are remembered: a signature does not become wrong, and checking it is slow.
const REMEMBERED: usize = 4096;
const INVALID: &str = "invalid bearer token";

/// Signs and verifies the tokens of service accounts.
pub trait TokenSigner: Send + Sync {
    /// A signed token with these claims.
    ///
    /// # Errors
    /// Why it cannot be signed.
    fn sign(&self, claims: &Value) -> Result<String, String>;

    /// The claims of a token whose signature is good.
    ///
    /// # Errors
    /// Why the token is no good.
    fn verify(&self, token: &str) -> Result<Value, String>;

    /// The public keys, as `/openid/v1/jwks` shows them.
    fn public_keys(&self) -> Value;
}

impl TokenSigner for comity_pki::TokenSigner {
    fn sign(&self, claims: &Value) -> Result<String, String> {
        Self::sign(self, claims).map_err(|e| e.to_string())
    }

    fn verify(&self, token: &str) -> Result<Value, String> {
        Self::verify(self, token).map_err(|e| e.to_string())
    }

    fn public_keys(&self) -> Value {
        self.jwks().clone()
    }
}

/// State of authentication.
pub struct State {
    tokens: Vec<(String, User)>,
    signer: Option<Arc<dyn TokenSigner>>,
    verified: Mutex<HashMap<String, Arc<Value>>>,
    /// Issuer of the tokens; also the audience that means this server.
    pub issuer: String,
    /// Certificates (PEM) by which clients know this server.
    pub server_ca: String,
}

impl State {
    /// From the settings.
    pub fn new(config: &Config) -> Self {
        Self {
            tokens: config.admin_tokens.iter().map(|token| (token.clone(), User::new("admin", &[User::MASTERS]))).collect(),
            signer: config.token_signer.clone(),
            verified: Mutex::default(),
            issuer: config.issuer.clone(),
            server_ca: config.server_ca.clone(),
        }
    }

    /// A signed token.
    ///
    /// # Errors
    /// 500 when this server has no key for tokens or signing fails.
    pub fn sign(&self, claims: &Value) -> Result<String, Status> {
        let signer =
            self.signer.as_ref().ok_or_else(|| Status::internal("this server was started without a key for service account tokens"))?;
        signer.sign(claims).map_err(|e| Status::internal(format!("failed to generate token: {e}")))
    }

    /// The keys that verify tokens, if the server issues any.
    pub fn public_keys(&self) -> Option<Value> {
        Some(self.signer.as_ref()?.public_keys())
    }

    /// A stored object, for checking what a token claims.
    pub fn stored(&self, cx: &Cx, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        cx.store.get(&Key::new(resource, namespace, name)).map(|entry| entry.body.parse(entry.rev))
    }

    fn claims(&self, token: &str) -> Result<Arc<Value>, String> {
        if let Some(claims) = self.verified.lock().get(token) {
            return Ok(claims.clone());
        }
        let signer = self.signer.as_ref().ok_or(INVALID)?;
        let claims = Arc::new(signer.verify(token).map_err(|_| INVALID)?);
        let mut verified = self.verified.lock();
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(token.to_owned(), claims.clone());
        Ok(claims)
    }
}

/// Who sent a request, before impersonation.
///
/// # Errors
/// 401 when a credential was presented that is not good.
pub async fn authenticate(cx: &Cx, peer: &Peer, parts: &Parts) -> Result<User, Status> {
    if let Some(certificate) = &peer.certificate {
        return x509::user(certificate).ok_or_else(unauthorized);
    }
    let Some(token) = bearer(parts) else { return Ok(User::anonymous()) };
    identify(cx, token, &[]).map(|(user, _)| user).map_err(|why| {
        tracing::debug!(server = %cx.name, %why, "a bearer token was refused");
        unauthorized()
    })
}

/// The user of a bearer token, and for which of the wanted audiences it is good (none wanted: this server).
///
/// # Errors
/// Why the token is no good.
pub fn identify(cx: &Cx, token: &str, wanted: &[String]) -> Result<(User, Vec<String>), String> {
    let state = &cx.authn;
    let own = std::slice::from_ref(&state.issuer);
    let wanted = if wanted.is_empty() { own } else { wanted };
    let common = |audiences: &[String]| wanted.iter().filter(|a| audiences.contains(a)).cloned().collect::<Vec<_>>();
    // Every candidate is compared in full, so that the time tells nothing about a token.
    let known = state.tokens.iter().filter(|(t, _)| same(t, token)).fold(None, |_, (_, user)| Some(user));
    if let Some(user) = known {
        let audiences = common(own);
        return if audiences.is_empty() { Err(INVALID.to_owned()) } else { Ok((user.clone(), audiences)) };
    }
    let claims = state.claims(token)?;
    let lookup = |resource: &str, namespace: &str, name: &str| state.stored(cx, resource, namespace, name);
    let (user, mut named) =
        service_account::identify(token, &claims, &state.issuer, cx.now(), &lookup).map_err(|why| format!("[{INVALID}, {why}]"))?;
    if named.is_empty() {
        named = own.to_vec();
    }
    let audiences = common(&named);
    if audiences.is_empty() {
        let list = |texts: &[String]| texts.iter().map(|t| format!("{t:?}")).collect::<Vec<_>>().join(" ");
        let (named, wanted) = (list(&named), list(wanted));
        return Err(format!("[{INVALID}, token audiences [{named}] is invalid for the target audiences [{wanted}]]"));
    }
    Ok((user, audiences))
}

/// `serviceaccounts/<name>/token`.
///
/// # Errors
/// As the API states them.
pub async fn token_request(request: &Request, _resource: &Resource) -> Result<Answer, Status> {
    reviews::token_request(request)
}

/// Base64 as Secrets hold it.
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// The token of an `Authorization: Bearer` header; other schemes are no credentials here.
fn bearer(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let mut words = header.split(' ');
    let scheme = words.next()?;
    words.next().filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}

fn unauthorized() -> Status {
    Status::new(Reason::Unauthorized, "Unauthorized")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of(header: &str) -> Option<String> {
        let (parts, ()) = http::Request::builder().header("authorization", header).body(()).unwrap().into_parts();
        bearer(&parts).map(str::to_owned)
    }

    #[test]
    fn only_bearer_headers_with_a_token_are_credentials() {
        assert_eq!(token_of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token_of("bearer abc def").as_deref(), Some("abc"));
        for header in ["Bearer", "Bearer ", "Bearer  abc", "Basic abc", ""] {
            assert_eq!(token_of(header), None, "{header:?}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd"));
        assert!(!same("abc", "abcd"));
    }
}
