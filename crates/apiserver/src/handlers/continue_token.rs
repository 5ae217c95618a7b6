//! Continue tokens of paged lists.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use comity_core::{Status, Value, json};

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The revision that all pages show; nothing to go on with the latest state.
    pub revision: Option<u64>,
    /// The first key of the page, relative to the listed namespace.
    pub start: String,
}

impl Position {
    /// The place right after a key.
    pub fn after(revision: u64, key: &str) -> Self {
        Self { revision: Some(revision), start: format!("{key}\0") }
    }

    /// The token that a client sends back.
    pub fn to_token(&self) -> String {
        let revision = self.revision.map_or(json!(-1), |r| json!(r));
        URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": self.start}).to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400: it is none of ours, or points outside the list.
    pub fn parse(token: &str) -> Result<Self, Status> {
        let bad = |why: &str| Status::bad_request(format!("invalid continue token: continue key is not valid{why}"));
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|e| bad(&format!(": {e}")))?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|e| bad(&format!(": {e}")))?;
        let version = token["v"].as_str().unwrap_or("");
        if version != "meta.k8s.io/v1" {
            return Err(bad(&format!(": server does not recognize this encoded version {version}")));
        }
        let start = token["start"].as_str().unwrap_or("").trim_start_matches('/');
        if start.is_empty() {
            return Err(bad(": encoded start key empty (version meta.k8s.io/v1)"));
        }
        if start.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(bad(&format!(": {start}")));
        }
        let revision = match token["rv"].as_i64() {
            Some(-1) => None,
            Some(revision) if revision > 0 => u64::try_from(revision).ok(),
            _ => return Err(bad(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)")),
        };
        Ok(Self { revision, start: start.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_foreign_ones_are_refused() {
        let position = Position::after(7, "ns/name");
        assert_eq!(Position::parse(&position.to_token()), Ok(position));
        let latest = Position { revision: None, start: "a".into() };
        assert_eq!(Position::parse(&latest.to_token()), Ok(latest));
        for bad in ["x", "e30", &URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":3,"start":"../x"}"#)] {
            assert_eq!(Position::parse(bad).map_err(|s| s.code), Err(400));
        }
    }
}
