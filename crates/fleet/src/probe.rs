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
    /// It does not accept the credentials.
    Rejected { message: String },
    /// No client can be built.
    Malformed { why: String },
}

impl Probe {
    pub fn is_ok(&self) -> bool {
        *self == Probe::Ok
    }
}

/// Asks `/healthz`.
pub(crate) async fn look(client: &ClusterClient, timeout: Duration) -> Probe {
    let client = client.with_timeout(timeout);
    match client.get_text("/healthz").await {
        Ok((200, body)) if body.trim().eq_ignore_ascii_case("ok") => Probe::Ok,
        Ok((401 | 403, body)) => Probe::Rejected { message: message(&body) },
        Ok((200, _)) => Probe::NotOk { answer: String::new() },
        Ok((code, body)) => Probe::NotOk { answer: answer(code, &body) },
        Err(ClientError::Unauthorized(status)) => Probe::Rejected { message: status.message },
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
