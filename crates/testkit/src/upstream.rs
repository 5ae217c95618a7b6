//! What stands behind a gate: a cluster that answers requests, wherever it runs.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use kube::client::Body;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An answer whose body may still be coming.
pub type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// Answers requests.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// One request, whole; the answer may be a stream.
    async fn send(&self, request: Request<Bytes>) -> Result<Answer, BoxError>;
}

/// A cluster behind a URL. Requests keep the credentials that they came with.
pub struct Remote(kube::Client);

impl Remote {
    /// The server's certificate is not looked at: this is the helper's side of the connection.
    ///
    /// # Errors
    /// The URL cannot be read.
    pub fn new(url: &str) -> Result<Self, BoxError> {
        let mut config = kube::Config::new(url.parse()?);
        config.accept_invalid_certs = true;
        config.default_retry = false;
        config.read_timeout = None;
        Ok(Self(kube::Client::try_from(config)?))
    }
}

#[async_trait]
impl Upstream for Remote {
    async fn send(&self, request: Request<Bytes>) -> Result<Answer, BoxError> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        parts.uri = path.parse()?;
        // the connection to the cluster is another one, with framing and version of its own
        for name in ["host", "content-length", "transfer-encoding", "connection"] {
            parts.headers.remove(name);
        }
        parts.version = http::Version::HTTP_11;
        let answer = self.0.send(Request::from_parts(parts, Body::from(body.to_vec()))).await?;
        let (mut parts, body) = answer.into_parts();
        for name in ["content-length", "transfer-encoding", "connection", "keep-alive"] {
            parts.headers.remove(name);
        }
        Ok(Response::from_parts(parts, body.map_err(BoxError::from).boxed_unsync()))
    }
}
