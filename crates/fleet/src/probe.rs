//! One look at a member's health.

use std::time::Duration;

use comity_core::{Value, object};
use comity_lane::{ClientError, ClusterClient};

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// `/healthz` says ok.
    Ok,
    /// It says something else; empty where it does so with a code of success.
    NotOk { answer: String },
    /// It does not answer. `refused` means at once: nobody listens.
    Silent { error: String, refused: bool },
    /// It does not accept the credentials, or they may not even look at its health.
    Rejected { message: String },
    /// Its certificate is not one that the authority of the spec vouches for.
    Untrusted { error: String },
    /// No client can be built.
    Malformed { why: String },
}

/// How the TLS library begins when it does not like what the other side shows.
const CERTIFICATE: &str = "invalid peer certificate";

impl Probe {
    /// With what to do about it, for the cluster of this object.
    pub fn with_advice(self, cluster: &Value) -> Self {
        let (namespace, name) = (object::namespace(cluster), object::name(cluster));
        let again = format!("join it again with `kubefedctl join {name} --error-on-existing=false`");
        match self {
            Probe::Rejected { message } => {
                let secret = object::str_at(cluster, &["spec", "secretRef", "name"]);
                Probe::Rejected {
                    message: format!("{message}; {again}, or put a token that the cluster accepts into Secret {namespace}/{secret}"),
                }
            }
            Probe::Untrusted { error } => {
                let message = format!(
                    "the cluster's certificate is not trusted ({error}): if its authority was replaced, {again} or put the new one into spec.caBundle; \
                     if not, somebody else answers at this address"
                );
                Probe::Untrusted { error: message }
            }
            other => other,
        }
    }

    pub fn is_ok(&self) -> bool {
        *self == Probe::Ok
    }
}

/// Asks `/healthz`.
pub(crate) async fn look(client: &ClusterClient, timeout: Duration) -> Probe {
    let client = client.with_timeout(timeout);
    match client.get_text("/healthz").await {
        Ok((200, body)) if body.trim().eq_ignore_ascii_case("ok") => Probe::Ok,
        Ok((code @ (401 | 403), body)) => Probe::Rejected { message: format!("HTTP {code}: {}", message(&body)) },
        Ok((200, _)) => Probe::NotOk { answer: String::new() },
        Ok((code, body)) => Probe::NotOk { answer: answer(code, &body) },
        Err(ClientError::Unauthorized(status)) => Probe::Rejected { message: status.message },
        Err(ClientError::Unreachable(error)) if error.starts_with(CERTIFICATE) => Probe::Untrusted { error },
        Err(ClientError::Unreachable(error)) => Probe::Silent { error, refused: true },
        Err(error) => Probe::Silent { error: error.to_string(), refused: false },
    }
}

/// The `gitVersion` that the member tells.
pub(crate) async fn version(client: &ClusterClient, timeout: Duration) -> Option<String> {
    let (code, body) = client.with_timeout(timeout).get_text("/version").await.ok()?;
    let version: Value = serde_json::from_str(&body).ok().filter(|_| code == 200)?;
    Some(object::str_at(&version, &["gitVersion"]).to_owned())
}

/// The code, and the beginning of what came with it.
fn answer(code: u16, body: &str) -> String {
    const MOST: usize = 200;
    let text: String = message(body).chars().take(MOST).collect();
    if text.is_empty() { format!("HTTP {code}") } else { format!("HTTP {code}: {text}") }
}

fn message(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(status) if status["message"].is_string() => object::str_at(&status, &["message"]).to_owned(),
        _ => body.trim().to_owned(),
    }
}
