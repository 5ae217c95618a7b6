//! A blocking HTTPS client for one API server, bearing one token.

use std::time::Duration;

use anyhow::Context;
use http::{HeaderMap, Request};
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// A connection to an API server.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    base: String,
    token: String,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("status {}: {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// A client of `https://host:port` that trusts the certificates of `ca` (PEM).
    pub fn new(base: &str, ca: &str, token: &str) -> anyhow::Result<Self> {
        let mut roots: Vec<Certificate<'static>> = Vec::new();
        for item in parse_pem(ca.as_bytes()) {
            if let PemItem::Certificate(certificate) = item.context("read the CA certificates")? {
                roots.push(certificate);
            }
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            // A server may close a connection at any moment between two requests; a fresh one each time never meets that.
            .max_idle_connections(0)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build())
            .build()
            .new_agent();
        Ok(Self { agent, base: base.to_owned(), token: token.to_owned() })
    }

    /// The same server without a token.
    pub fn anonymous(&self) -> Self {
        Self { token: String::new(), ..self.clone() }
    }

    /// Sends a request; every HTTP status is an answer.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !self.token.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let what = || format!("{method} {path}");
        let mut answer = match body {
            Some(body) => {
                let request = self.agent.configure_request(request.body(body).with_context(what)?).allow_non_standard_methods(true).build();
                self.agent.run(request)
            }
            None => {
                let request = self.agent.configure_request(request.body(()).with_context(what)?).allow_non_standard_methods(true).build();
                self.agent.run(request)
            }
        }
        .with_context(what)?;
        let bytes = answer.body_mut().with_config().limit(256 << 20).read_to_vec().with_context(what)?;
        Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body: bytes })
    }

    /// GET as JSON, with success demanded.
    pub fn get(&self, path: &str, accept: &str) -> anyhow::Result<Value> {
        let answer = self.send("GET", path, &[("Accept", accept)], None)?;
        anyhow::ensure!(answer.status == 200, "GET {path} answered {}: {}", answer.status, answer.text());
        answer.json()
    }
}
