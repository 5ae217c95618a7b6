//! Paths outside resources: discovery, version, health, metrics, OpenAPI, keys of tokens.

mod aggregated;
mod groups;
mod health;
mod legacy;
pub mod metrics;
mod openapi;
mod openid;
mod version;

use std::sync::Arc;

use bytes::Bytes;
use comity_core::{Reason, Status, Value};
use http::header;
use parking_lot::Mutex;
use sha2::{Digest, Sha512};

pub use groups::version_order;

use crate::{answer::Answer, config::Config, frame::accept::Format, handlers::render, registry::Registry, request::Request};

/// State of discovery and OpenAPI.
#[derive(Default)]
pub struct State {
    /// Counters of requests.
    pub metrics: metrics::Metrics,
    aggregated: Mutex<Option<Arc<Aggregated>>>,
}

/// The aggregated documents of one state of the registry.
struct Aggregated {
    serial: u64,
    core: Tagged,
    groups: Tagged,
}

/// A body and the hash that names it.
struct Tagged {
    body: Bytes,
    etag: String,
}

impl State {
    /// From the settings.
    pub fn new(_config: &Config) -> Self {
        Self::default()
    }

    fn aggregated(&self, registry: &Registry) -> Arc<Aggregated> {
        let mut cached = self.aggregated.lock();
        if let Some(cached) = cached.as_ref().filter(|c| c.serial == registry.serial) {
            return cached.clone();
        }
        let groups = groups::groups(registry);
        let (core, others): (Vec<_>, Vec<_>) = groups.iter().partition(|g| g.name.is_empty());
        let fresh = Arc::new(Aggregated {
            serial: registry.serial,
            core: Tagged::of(&aggregated::document(&core)),
            groups: Tagged::of(&aggregated::document(&others)),
        });
        *cached = Some(fresh.clone());
        fresh
    }
}

impl Tagged {
    fn of(document: &Value) -> Self {
        let mut body = document.to_string();
        let etag = Sha512::digest(&body).iter().map(|b| format!("{b:02X}")).collect::<String>();
        body.push('\n');
        Self { body: body.into(), etag: format!("\"{etag}\"") }
    }

    fn answer(&self, request: &Request, content_type: &'static str) -> Answer {
        let known = request.header(header::IF_NONE_MATCH.as_str()) == self.etag;
        let answer =
            if known { Answer::pieces(304, content_type, Vec::new()) } else { Answer::bytes(200, content_type, self.body.clone()) };
        let answer = answer.with_header(header::ETAG, &self.etag).with_header(header::VARY, "Accept");
        answer.with_header(header::CACHE_CONTROL, "public")
    }
}

/// Answers a path that is no resource; nothing when it is not known.
///
/// # Errors
/// As the API states them.
pub async fn serve(request: &Request) -> Result<Option<Answer>, Status> {
    let path = request.info.path.as_str();
    if let Some(answer) = health::serve(request)? {
        return Ok(Some(answer));
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let known = match parts.as_slice() {
        ["api" | "apis", rest @ ..] => return discovery(request, parts[0], rest),
        ["openapi", rest @ ..] => match openapi::serve(request, rest).await? {
            Some(answer) => answer,
            None => return Ok(None),
        },
        ["version"] => render::written(200, Format::Json, request.accept.pretty, &version::document())?,
        ["metrics"] => Answer::bytes(200, metrics::CONTENT_TYPE, request.cx.discovery.metrics.render(&request.cx)),
        [".well-known", "openid-configuration"] | ["openid", "v1", "jwks"] => match openid::serve(request, parts[0]) {
            Some(answer) => answer,
            None => return Ok(None),
        },
        [""] => render::other(request, 200, &paths(&request.cx.registry.current()))?,
        _ => return Ok(None),
    };
    if !matches!(request.info.verb, "get" | "head") {
        return Err(method_not_allowed());
    }
    Ok(Some(known))
}

fn discovery(request: &Request, root: &str, rest: &[&str]) -> Result<Option<Answer>, Status> {
    let registry = request.cx.registry.current();
    if !matches!(request.info.verb, "get" | "head") {
        return Err(method_not_allowed());
    }
    if rest.is_empty() {
        return top_level(request, root, &registry).map(Some);
    }
    let groups = groups::groups(&registry);
    let find = |name: &str| groups.iter().find(|g| g.name == name);
    let list = |group: &str, version: &str| {
        let view = find(group).and_then(|g| g.versions.iter().find(|v| v.name == version));
        view.map(|view| legacy::resource_list(group, view)).ok_or_else(Status::no_such_resource)
    };
    let value = match (root, rest) {
        ("api", [version]) => list("", version)?,
        ("apis", [name]) => match find(name) {
            Some(group) => legacy::group(group),
            None => return Ok(None),
        },
        ("apis", [group, version]) if find(group).is_some() => list(group, version)?,
        _ => return Ok(None),
    };
    render::other(request, 200, &value).map(Some)
}

/// `/api` and `/apis`: the first form that the client accepts decides between one document and many.
fn top_level(request: &Request, root: &str, registry: &Registry) -> Result<Answer, Status> {
    for clause in &request.accept.clauses {
        match (clause.kind.as_str(), clause.group.as_str(), clause.version.as_str()) {
            ("", ..) => {
                let value = match root {
                    "api" => legacy::versions(request.header(header::HOST.as_str())),
                    _ => legacy::group_list(&groups::groups(registry)),
                };
                return render::other(request, 200, &value);
            }
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") if clause.format == Format::Json => {
                let documents = request.cx.discovery.aggregated(registry);
                let tagged = if root == "api" { &documents.core } else { &documents.groups };
                return Ok(tagged.answer(request, aggregated::CONTENT_TYPE));
            }
            _ => {}
        }
    }
    request.accept.plain().and_then(|_| Err(method_not_allowed()))
}

fn method_not_allowed() -> Status {
    Status::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
}

/// What `/` answers.
fn paths(registry: &Registry) -> Value {
    let mut paths: Vec<String> =
        ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned).into();
    for group in groups::groups(registry) {
        let root = if group.name.is_empty() { "/api".to_owned() } else { format!("/apis/{}", group.name) };
        paths.extend(group.versions.iter().map(|version| format!("{root}/{}", version.name)));
        paths.push(root);
    }
    paths.sort();
    paths.dedup();
    comity_core::json!({"paths": paths})
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    /// Answers of a real server without custom resources, by name.
    const RECORDED: &str = include_str!("../../tests/recorded/discovery.json");

    #[test]
    fn a_fresh_server_answers_as_the_real_one_did() {
        let recorded: Value = serde_json::from_str(RECORDED).unwrap();
        let registry = crate::registry::LiveRegistry::new().current();
        let groups = groups::groups(&registry);
        let (core, others): (Vec<_>, Vec<_>) = groups.iter().partition(|g| g.name.is_empty());
        let mut ours =
            json!({"agg-api": aggregated::document(&core), "agg-apis": aggregated::document(&others), "apis": legacy::group_list(&groups)});
        for group in &groups {
            for version in &group.versions {
                let name = if group.name.is_empty() { "api-v1".to_owned() } else { format!("legacy-{}_{}", group.name, version.name) };
                ours[name] = legacy::resource_list(group.name, version);
            }
        }
        for (name, document) in recorded.as_object().unwrap() {
            // Texts, because the order of fields counts too.
            assert_eq!(ours[name].to_string(), document.to_string(), "{name}");
        }
    }
}
