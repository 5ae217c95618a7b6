//! Requests as they come over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use comity_core::{GroupVersionResource, LabelSelector, Reason, Status, Value, json, object};
use futures::stream;
use http::{Method, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tokio::time::{Instant, timeout_at};

use super::{FakeCluster, state::Change, write};
use crate::upstream::{Answer, BoxError, Upstream};

/// How often a quiet watch is told the revision.
const BOOKMARK: Duration = Duration::from_secs(60);

#[async_trait]
impl Upstream for FakeCluster {
    async fn send(&self, request: http::Request<Bytes>) -> Result<Answer, BoxError> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/healthz" | "/readyz" | "/livez" => return Ok(text("ok")),
            "/version" => return Ok(whole(200, &json!({"gitVersion": "v1.36.0"}))),
            _ => {}
        }
        Ok(match self.answer(&path, &request) {
            Ok(answer) => answer,
            Err(status) => whole(status.code, &status.to_value()),
        })
    }
}

/// What a path names.
#[derive(Default)]
struct Asked {
    gvr: GroupVersionResource,
    namespace: String,
    name: String,
    subresource: String,
}

fn asked(path: &str) -> Option<Asked> {
    let mut parts = path.trim_matches('/').split('/');
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let version = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let (namespace, rest) = match rest.as_slice() {
        ["namespaces", namespace, inside @ ..] if !inside.is_empty() && !matches!(inside[0], "status" | "finalize") => (*namespace, inside),
        rest => ("", rest),
    };
    let at = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
    let gvr = GroupVersionResource::new(group, version, rest.first()?);
    Some(Asked { gvr, namespace: namespace.to_owned(), name: at(1), subresource: at(2) })
}

struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), unescape(value))).collect())
    }

    fn get(&self, key: &str) -> &str {
        self.0.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).unwrap_or_default();
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next()) * 16 + digit(rest.next())).unwrap_or_default(),
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl FakeCluster {
    fn answer(&self, path: &str, request: &http::Request<Bytes>) -> Result<Answer, Status> {
        let asked = asked(path).ok_or_else(Status::no_such_resource)?;
        let query = Query::of(request.uri().query());
        let kind = self.inner.state.lock().kinds.find(&asked.gvr)?;
        if request.method() == Method::GET {
            if !asked.name.is_empty() {
                let found = self.get(&asked.gvr, &asked.namespace, &asked.name);
                let found = found.ok_or_else(|| Status::not_found(&asked.gvr.group_resource(), &asked.name))?;
                return Ok(whole(200, &found));
            }
            let selector = LabelSelector::parse(query.get("labelSelector")).map_err(|e| Status::bad_request(e.to_string()))?;
            let namespace = (!asked.namespace.is_empty()).then_some(asked.namespace);
            if query.get("watch") == "true" {
                return self.watch(asked.gvr, namespace, selector, &query);
            }
            let state = self.inner.state.lock();
            let items: Vec<Value> = state
                .list(&asked.gvr, namespace.as_deref())
                .into_iter()
                .filter(|object| selector.matches(object::labels(object)))
                .map(|object| Value::clone(&object))
                .collect();
            let list = json!({
                "kind": format!("{}List", kind.kind), "apiVersion": kind.gvr.api_version(),
                "metadata": {"resourceVersion": state.revision.to_string()}, "items": items,
            });
            return Ok(whole(200, &list));
        }
        let body = if request.body().is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(request.body()).map_err(|e| Status::bad_request(e.to_string()))?
        };
        let content = request.headers().get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let (code, answer) = self.write(&write::Request {
            method: request.method().clone(),
            gvr: asked.gvr,
            namespace: asked.namespace,
            name: asked.name,
            subresource: asked.subresource,
            manager: query.get("fieldManager").to_owned(),
            force: query.get("force") == "true",
            dry_run: !query.get("dryRun").is_empty(),
            content: content.to_owned(),
            body,
        })?;
        Ok(whole(code, &answer))
    }

    fn watch(
        &self,
        gvr: GroupVersionResource,
        namespace: Option<String>,
        selector: LabelSelector,
        query: &Query,
    ) -> Result<Answer, Status> {
        let from = query.get("resourceVersion").parse().unwrap_or_else(|_| self.revision());
        if self.inner.state.lock().since(from).is_none() {
            return Err(Status::new(Reason::Expired, format!("too old resource version: {from}")));
        }
        let seconds = query.get("timeoutSeconds").parse().unwrap_or(300);
        let follower =
            Follower { cluster: self.clone(), gvr, namespace, selector, at: from, until: Instant::now() + Duration::from_secs(seconds) };
        let frames = stream::unfold(follower, |mut follower| async move {
            let bytes = follower.next().await?;
            Some((Ok::<_, BoxError>(Frame::data(bytes)), follower))
        });
        Ok(Response::new(StreamBody::new(frames).boxed_unsync()))
    }
}

struct Follower {
    cluster: FakeCluster,
    gvr: GroupVersionResource,
    namespace: Option<String>,
    selector: LabelSelector,
    at: u64,
    until: Instant,
}

impl Follower {
    /// The next lines; `None` when the watch's time is over.
    async fn next(&mut self) -> Option<Bytes> {
        let mut news = self.cluster.inner.news.subscribe();
        let quiet = Instant::now() + BOOKMARK;
        loop {
            news.mark_unchanged();
            if let Some(lines) = self.lines() {
                return Some(lines);
            }
            match timeout_at(self.until.min(quiet), news.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) if Instant::now() >= self.until => return None,
                Err(_) => {
                    let revision = self.at.to_string();
                    return Some(line("BOOKMARK", &json!({"metadata": {"resourceVersion": revision}})).into());
                }
            }
        }
    }

    fn lines(&mut self) -> Option<Bytes> {
        let state = self.cluster.inner.state.lock();
        let Some(changes) = state.since(self.at) else {
            let status = Status::new(Reason::Expired, "too old resource version").to_value();
            self.until = Instant::now();
            return Some(line("ERROR", &status).into());
        };
        let concerned = changes.iter().filter(|change| change.place.is_of(&self.gvr, self.namespace.as_deref()));
        let lines: String = concerned.filter_map(|change| event(change, &self.selector)).collect();
        self.at = state.revision;
        (!lines.is_empty()).then(|| lines.into())
    }
}

/// The event that somebody with this selector sees.
fn event(change: &Change, selector: &LabelSelector) -> Option<String> {
    let selects = |object: &Option<Arc<Value>>| object.as_ref().is_some_and(|object| selector.matches(object::labels(object)));
    let kind = match (selects(&change.before), selects(&change.after)) {
        (false, true) => "ADDED",
        (true, true) => "MODIFIED",
        (true, false) => "DELETED",
        (false, false) => return None,
    };
    Some(line(kind, &change.last))
}

fn line(kind: &str, object: &Value) -> String {
    json!({"type": kind, "object": object}).to_string() + "\n"
}

fn text(body: &'static str) -> Answer {
    Response::new(Full::new(Bytes::from_static(body.as_bytes())).map_err(|never| match never {}).boxed_unsync())
}

fn whole(code: u16, value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string())).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    answer
}
