//! The chain that every request passes, from whichever side it comes.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use comity_core::{Reason, Status};
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use http_body::Frame;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody, combinators::UnsyncBoxBody};

use crate::{
    answer::{Answer, Payload},
    authn, authz,
    cx::Cx,
    discovery,
    frame::{accept::Accept, gzip, path::RequestInfo, query::Query},
    handlers,
    request::{Request, Warnings},
    user::{Identity, User},
};

/// The body of every response.
pub type ResponseBody = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// The largest request body.
pub const MAX_BODY: usize = 3 * 1024 * 1024;
/// How long a request may take, watches and the like excepted.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Serves one request; never fails.
pub async fn serve<B>(cx: &Cx, identity: &Identity, request: http::Request<B>) -> http::Response<ResponseBody>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (mut parts, body) = request.into_parts();
    // HTTP/2 says the host in the URI.
    if let Some(host) = parts.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok()) {
        parts.headers.entry(header::HOST).or_insert(host);
    }
    let audit_id = parts.headers.get("audit-id").cloned().or_else(|| HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).ok());
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    let info = RequestInfo::parse(&parts.method, parts.uri.path(), &query);
    let accept = Accept::parse(header_text(&parts, header::ACCEPT.as_str()), wants_pretty(&parts, &query));
    let warnings = Warnings::default();
    let takes_gzip = gzip::accepted(header_text(&parts, header::ACCEPT_ENCODING.as_str()));
    let long_running = info.is_long_running();
    let (about, started) = (info.clone(), Instant::now());

    let work = guarded(cx, identity, parts, body, info, query, accept, warnings.clone());
    let work = AssertUnwindSafe(work).catch_unwind();
    let outcome = if long_running {
        work.await
    } else {
        match tokio::time::timeout(REQUEST_TIMEOUT, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Ok(Err(Status::new(Reason::Timeout, "the request took longer than 60 seconds; it may or may not have been carried out")))
            }
        }
    };
    let answer = match outcome {
        Ok(Ok(answer)) => answer,
        Ok(Err(status)) => Answer::failure(&status),
        Err(_) => {
            tracing::error!("a handler panicked; the request was answered with 500");
            Answer::failure(&Status::internal("a fault in the server; its log names the place"))
        }
    };
    count(cx, &about, answer.code.as_u16(), started.elapsed());
    finish(answer, audit_id, &warnings, takes_gzip)
}

/// Counts a request. Names that nothing serves are the client's own and would never end.
fn count(cx: &Cx, info: &RequestInfo, code: u16, took: Duration) {
    if !info.is_resource || cx.registry.current().find(&info.group, &info.version, &info.resource).is_some() {
        cx.discovery.metrics.record(info, code, took);
    }
}

#[allow(clippy::too_many_arguments, reason = "the parts of one request, taken apart once")]
async fn guarded<B>(
    cx: &Cx,
    identity: &Identity,
    parts: Parts,
    body: B,
    info: RequestInfo,
    query: Query,
    accept: Accept,
    warnings: Warnings,
) -> Result<Answer, Status>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let user = match identity {
        Identity::Known(user) => user.clone(),
        Identity::Peer(peer) => authn::authenticate(cx, peer, &parts).await?,
    };
    let user: User = authz::impersonate(cx, user, &parts, &info).await?;
    // In-process callers are parts of the server: they limit themselves and must not be locked out by clients.
    let _place = match identity {
        Identity::Peer(_) if !info.is_long_running() && !user.is_in(User::MASTERS) => Some(cx.in_flight.enter(info.is_read())?),
        _ => None,
    };
    authz::authorize(cx, &user, &info).await?;
    let body = if info.is_read() && !info.is_long_running() { Bytes::new() } else { read_body(body).await? };
    let request = Request { cx: cx.clone(), info, user: Arc::new(user), query, headers: parts.headers, accept, body, warnings };
    if request.info.is_resource {
        handlers::dispatch(&request).await
    } else {
        Ok(discovery::serve(&request).await?.unwrap_or_else(|| Answer::text(404, "404 page not found\n")))
    }
}

async fn read_body<B>(body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => {
            Err(Status::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {MAX_BODY}")))
        }
        Err(e) => Err(Status::bad_request(format!("the request's body cannot be read: {e}"))),
    }
}

fn finish(answer: Answer, audit_id: Option<HeaderValue>, warnings: &Warnings, takes_gzip: bool) -> http::Response<ResponseBody> {
    let Answer { code, mut headers, payload } = answer;
    if let Some(id) = audit_id {
        headers.insert("audit-id", id);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    add_warnings(&mut headers, warnings);
    let body = match payload {
        Payload::Stream(chunks) => StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))).boxed_unsync(),
        Payload::Pieces(pieces) => {
            let size: usize = pieces.iter().map(Bytes::len).sum();
            let packed = if takes_gzip && size > gzip::LEAST_BYTES { gzip::compress(&pieces) } else { None };
            let pieces = match packed {
                Some(packed) => {
                    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
                    vec![packed]
                }
                None => pieces,
            };
            let size: usize = pieces.iter().map(Bytes::len).sum();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            match <[Bytes; 1]>::try_from(pieces) {
                Ok([one]) => Full::new(one).boxed_unsync(),
                Err(pieces) => StreamBody::new(futures::stream::iter(pieces.into_iter().map(|p| Ok(Frame::data(p))))).boxed_unsync(),
            }
        }
    };
    let mut response = http::Response::new(body);
    *response.status_mut() = if code.is_informational() { StatusCode::INTERNAL_SERVER_ERROR } else { code };
    *response.headers_mut() = headers;
    response
}

/// `Warning: 299 - "text"`; texts are cut once they are long in total.
fn add_warnings(headers: &mut HeaderMap, warnings: &Warnings) {
    let texts = warnings.texts();
    let long = texts.iter().map(String::len).sum::<usize>() > 4096;
    for text in texts {
        let mut quoted = String::with_capacity(text.len() + 2);
        let most = if long { 256 } else { usize::MAX };
        for c in text.chars().filter(|c| !c.is_control()).take(most) {
            if matches!(c, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            headers.append(header::WARNING, value);
        }
    }
}

fn header_text<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
}

fn wants_pretty(parts: &Parts, query: &Query) -> bool {
    match query.get("pretty") {
        Some(_) => query.flag("pretty"),
        None => {
            let agent = header_text(parts, header::USER_AGENT.as_str());
            ["curl", "Wget", "Mozilla/5.0"].iter().any(|p| agent.starts_with(p))
        }
    }
}
