//! The TCP listener: TLS, HTTP/1.1 and HTTP/2.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::{
    cx::Cx,
    serve::serve,
    user::{Identity, Peer},
};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Flow-control window of one HTTP/2 stream.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
/// Flow-control window of one HTTP/2 connection.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// Binds, and accepts connections in the background until the server stops.
pub async fn start(cx: &Cx, address: SocketAddr, tls: Arc<rustls::ServerConfig>, tasks: &TaskTracker) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let mut tls = rustls::ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    tasks.spawn(accept(cx.clone(), listener, acceptor, tasks.clone()));
    Ok(bound)
}

async fn accept(cx: Cx, listener: TcpListener, acceptor: TlsAcceptor, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cx.stopping.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                tasks.spawn(connection(cx.clone(), acceptor.clone(), stream, address));
            }
            Err(error) => {
                // Out of file descriptors, mostly: give connections time to end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(cx: Cx, acceptor: TlsAcceptor, stream: TcpStream, address: SocketAddr) {
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, %address, "TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|c| c.first()).map(|c| Bytes::copy_from_slice(c.as_ref()));
    let identity = Arc::new(Identity::Peer(Peer { address: Some(address), certificate }));
    let stopping = cx.stopping.clone();
    let service = service_fn(move |request| {
        let (cx, identity) = (cx.clone(), identity.clone());
        async move { Ok::<_, std::convert::Infallible>(serve(&cx, &identity, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(90)).half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(4096)
        .max_send_buf_size(1024 * 1024)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    log_end(result, address);
}

fn log_end(result: Result<(), Box<dyn std::error::Error + Send + Sync>>, address: SocketAddr) {
    if let Err(error) = result {
        tracing::debug!(%error, %address, "connection ended with an error");
    }
}
