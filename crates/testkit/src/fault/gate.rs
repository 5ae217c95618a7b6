//! The gate: every request to a cluster goes through it, and it does to the answer what the fault says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use comity_core::{Reason, Status};
use comity_lane::ClusterClient;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Fault, body, tamper};
use crate::upstream::{Answer, BoxError, Upstream};

/// A request that came to the gate, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
}

/// The gate in front of one cluster. Requests are logged as they come.
pub struct Gate {
    upstream: Arc<dyn Upstream>,
    fault: watch::Sender<Fault>,
    log: Mutex<Vec<Logged>>,
    /// Requests for lists, and the answers that stale lists give.
    lists: Mutex<BTreeMap<String, (http::request::Parts, Bytes)>>,
}

impl Gate {
    /// An open gate.
    pub fn new(upstream: Arc<dyn Upstream>) -> Arc<Self> {
        Arc::new(Self { upstream, fault: watch::Sender::new(Fault::None), log: Mutex::default(), lists: Mutex::default() })
    }

    /// Another fault from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// What is wrong now.
    pub fn fault(&self) -> Fault {
        self.fault.borrow().clone()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Fault> {
        self.fault.subscribe()
    }

    /// All requests since the start, or since they were last taken.
    pub fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut self.log.lock())
    }

    /// How many requests with this method came since the log was last taken.
    pub fn count(&self, method: &Method) -> usize {
        self.log.lock().iter().filter(|logged| logged.method == *method).count()
    }

    /// The lists that were asked for so far are what stale lists show from now on.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn remember(&self) -> Result<(), BoxError> {
        let asked: Vec<(String, http::request::Parts)> =
            self.lists.lock().iter().map(|(key, (parts, _))| (key.clone(), parts.clone())).collect();
        for (key, parts) in asked {
            let answer = self.upstream.send(Request::from_parts(parts.clone(), Bytes::new())).await?;
            let bytes = answer.into_body().collect().await?.to_bytes();
            self.lists.lock().insert(key, (parts, bytes));
        }
        Ok(())
    }

    /// A client whose requests go through the gate without a socket.
    pub fn client(self: &Arc<Self>) -> ClusterClient {
        let gate = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let gate = gate.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.map_err(BoxError::from)?;
                gate.pass(Request::from_parts(parts, body)).await
            }
        });
        ClusterClient::new(kube::Client::new(service, "default"))
    }

    /// One request.
    ///
    /// # Errors
    /// The connection broke, as the fault says.
    pub async fn pass(&self, request: Request<Bytes>) -> Result<Answer, BoxError> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
        self.log.lock().push(Logged { method: request.method().clone(), path });
        let fault = self.fault();
        match fault {
            Fault::Refused | Fault::WrongCertificate => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()),
            Fault::HalfOpen => std::future::pending().await,
            Fault::Silent => {
                let _ = self.changes().wait_for(|fault| *fault != Fault::Silent).await;
                return Err(body::reset());
            }
            Fault::Answers { code, retry_after } => return refusal(code, retry_after),
            Fault::Slow(delay) => self.slowly(delay).await,
            _ => {}
        }
        if request.method() != Method::GET {
            return self.upstream.send(request).await;
        }
        if tamper::is_watch(request.uri().query()) {
            if fault.lies() {
                return refusal(410, None);
            }
            let answer = self.upstream.send(request).await?;
            return Ok(answer.map(|stream| body::watched(stream, self.changes())));
        }
        let (parts, _) = request.into_parts();
        let answer = self.upstream.send(Request::from_parts(parts.clone(), Bytes::new())).await?;
        let (head, stream) = answer.into_parts();
        let bytes = stream.collect().await?.to_bytes();
        let Some(list) = tamper::as_list(&bytes) else { return Ok(whole(head, bytes)) };
        Ok(match &fault {
            Fault::Cut => Response::from_parts(head, body::broken(&bytes)),
            Fault::Garbage => whole(head, tamper::garbled(&bytes)),
            Fault::EmptyLists => whole(head, tamper::emptied(list)),
            Fault::HalfLists => whole(head, tamper::halved(list)),
            Fault::StaleLists => whole(head, self.earlier(&parts).unwrap_or(bytes)),
            _ => {
                self.lists.lock().entry(key(&parts)).or_insert_with(|| (parts, bytes.clone()));
                whole(head, bytes)
            }
        })
    }

    fn earlier(&self, parts: &http::request::Parts) -> Option<Bytes> {
        self.lists.lock().get(&key(parts)).map(|(_, bytes)| bytes.clone())
    }

    /// The delay ends early when the fault does.
    async fn slowly(&self, delay: Duration) {
        let mut changes = self.changes();
        let ended = changes.wait_for(|fault| !matches!(fault, Fault::Slow(_)));
        let _ = tokio::time::timeout(delay, ended).await;
    }
}

/// What is listed: the path with its selectors.
fn key(parts: &http::request::Parts) -> String {
    let selectors = parts.uri.query().unwrap_or_default().split('&').filter(|part| part.contains("Selector="));
    format!("{}?{}", parts.uri.path(), selectors.collect::<Vec<_>>().join("&"))
}

fn whole(head: http::response::Parts, bytes: Bytes) -> Answer {
    Response::from_parts(head, Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
}

fn refusal(code: u16, retry_after: Option<u32>) -> Result<Answer, BoxError> {
    let mut status = Status::new(Reason::of_code(code), format!("the test says {code}"));
    status.code = code;
    if let Some(seconds) = retry_after {
        status = status.retry_after(seconds);
    }
    let mut answer = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        answer = answer.header(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let body = Full::new(Bytes::from(status.to_value().to_string())).map_err(|never| match never {}).boxed_unsync();
    Ok(answer.body(body)?)
}
