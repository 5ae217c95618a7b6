//! The limit of what any server can do here: the same TLS and HTTP library with nothing behind it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Starts a server that reads each request and answers as many bytes as its path says, such as `/2048`; at most 64 MiB.
pub async fn start(tls: Arc<rustls::ServerConfig>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(tls);
    let zeros = Bytes::from(vec![b'0'; 1 << 26]);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, zeros) = (acceptor.clone(), zeros.clone());
            tokio::spawn(async move {
                // A connection that fails shows at its client.
                let _ = stream.set_nodelay(true);
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request| answer(request, zeros.clone()));
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.initial_stream_window_size(4 << 20).initial_connection_window_size(16 << 20);
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>, zeros: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    let length = request.uri().path().trim_start_matches('/').parse().unwrap_or(0).min(zeros.len());
    // A body that breaks off shows at its client.
    let _ = request.into_body().collect().await;
    Ok(Response::new(Full::new(zeros.slice(..length))))
}
