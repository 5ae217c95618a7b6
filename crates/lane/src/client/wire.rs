//! The connections to one cluster: HTTP/2 where the server speaks it, so that one connection carries requests and
//! watches; HTTP/1.1 otherwise, with a connection for each of them.
//!
//! The windows are such that streams which nobody reads cannot stop the others: all streams' windows together fit into
//! the connection's.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response, Uri};
use http_body::{Frame, SizeHint};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http2,
};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        self,
        connect::{Connection, HttpConnector},
    },
    rt::{TokioExecutor, TokioTimer},
};
use kube::client::{Body, ConfigExt};
use parking_lot::Mutex;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

/// Marks a request whose answer goes on for long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasting;

/// So many watches share a connection. Servers limit its streams, to a hundred at the least, and requests need some.
const WATCHES: usize = 40;
/// What one stream may send before it is read.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection: a hundred streams' worth.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
/// A connection that carries something is asked for a sign of life so often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// One that shows none for so long is dead.
const DEAD: Duration = Duration::from_secs(10);
/// How long the system may try to connect.
const CONNECT: Duration = Duration::from_secs(15);
/// So often the system asks the other end of a quiet connection whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A client for a cluster.
///
/// # Errors
/// The certificates or credentials of the configuration cannot be used.
pub fn client(config: &kube::Config) -> Result<kube::Client, kube::Error> {
    let auth = config.auth_layer()?;
    let service = ServiceBuilder::new().layer(config.base_uri_layer()).option_layer(auth).service(Wire::new(config)?);
    Ok(kube::Client::new(service.map_err(BoxError::from), config.default_namespace.clone()))
}

type Connector = HttpsConnector<HttpConnector>;

#[derive(Clone)]
struct Wire(Arc<Shared>);

struct Shared {
    cluster: Uri,
    connector: Connector,
    /// For servers that do not speak HTTP/2.
    old: legacy::Client<Connector, Body>,
    /// Held by who connects: the others wait for that connection.
    connecting: tokio::sync::Mutex<()>,
    spoken: Mutex<Spoken>,
}

/// What the server speaks, and the connections.
#[derive(Default)]
enum Spoken {
    #[default]
    Unknown,
    Http1,
    Http2(Vec<Line>),
}

struct Line {
    sender: http2::SendRequest<Body>,
    task: tokio::task::AbortHandle,
    /// Held by every watch on it.
    watches: Arc<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        // streams that still run hold what is shared, so there are none; a dead connection would otherwise linger
        if !self.sender.is_closed() {
            self.task.abort();
        }
    }
}

enum Route {
    Http1,
    Http2(http2::SendRequest<Body>, Option<Arc<()>>),
}

impl Wire {
    fn new(config: &kube::Config) -> Result<Self, kube::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let tls = config.rustls_client_config()?;
        let mut both = tls.clone();
        both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let old = legacy::Client::builder(TokioExecutor::new()).build(Connector::from((tcp.clone(), tls)));
        Ok(Self(Arc::new(Shared {
            cluster: config.cluster_url.clone(),
            connector: Connector::from((tcp, both)),
            old,
            connecting: tokio::sync::Mutex::default(),
            spoken: Mutex::default(),
        })))
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Carried>, BoxError> {
        let lasts = request.extensions().get::<Lasting>().is_some();
        let (answer, watch) = match self.0.route(lasts).await? {
            Route::Http1 => (self.0.old.request(request).await?, None),
            Route::Http2(mut sender, watch) => match sender.try_send_request(request).await {
                Ok(answer) => (answer, watch),
                Err(mut error) => match error.take_message() {
                    // the connection ended before the request went: once more on the next one
                    Some(request) => self.0.again(request, lasts).await?,
                    None => return Err(error.into_error().into()),
                },
            },
        };
        Ok(answer.map(|body| Carried { body, _watch: watch, _shared: self.0 }))
    }
}

impl Shared {
    async fn again(&self, request: Request<Body>, lasts: bool) -> Result<(Response<Incoming>, Option<Arc<()>>), BoxError> {
        match self.route(lasts).await? {
            Route::Http1 => Ok((self.old.request(request).await?, None)),
            Route::Http2(mut sender, watch) => Ok((sender.send_request(request).await?, watch)),
        }
    }

    /// The connection to use, made where there is none.
    async fn route(&self, lasts: bool) -> Result<Route, BoxError> {
        if let Some(route) = self.known(lasts) {
            return Ok(route);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(route) = self.known(lasts) {
            return Ok(route);
        }
        let stream = self.connector.clone().oneshot(self.cluster.clone()).await?;
        if !stream.connected().is_negotiated_h2() {
            *self.spoken.lock() = Spoken::Http1;
            return Ok(Route::Http1);
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(SIGN_OF_LIFE)
            .keep_alive_timeout(DEAD)
            .handshake(stream)
            .await?;
        let run = async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
        };
        let line = Line { sender, task: tokio::spawn(run).abort_handle(), watches: Arc::default() };
        let route = line.route(lasts);
        let mut spoken = self.spoken.lock();
        match &mut *spoken {
            Spoken::Http2(lines) => lines.push(line),
            other => *other = Spoken::Http2(vec![line]),
        }
        Ok(route)
    }

    fn known(&self, lasts: bool) -> Option<Route> {
        match &mut *self.spoken.lock() {
            Spoken::Unknown => None,
            Spoken::Http1 => Some(Route::Http1),
            Spoken::Http2(lines) => {
                lines.retain(|line| !line.sender.is_closed());
                // its own reference is none of a watch
                lines.iter().find(|line| !lasts || Arc::strong_count(&line.watches) <= WATCHES).map(|line| line.route(lasts))
            }
        }
    }
}

impl Line {
    fn route(&self, lasts: bool) -> Route {
        Route::Http2(self.sender.clone(), lasts.then(|| self.watches.clone()))
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Carried>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.clone().send(request).boxed()
    }
}

/// The body of an answer: while it is read, its connection stays.
struct Carried {
    body: Incoming,
    _watch: Option<Arc<()>>,
    _shared: Arc<Shared>,
}

impl http_body::Body for Carried {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
