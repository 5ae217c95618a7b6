//! One connection, which may freeze.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use http_body_util::BodyExt;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use crate::fault::{Fault, Gate};

/// Freezes the connections that share it, for ever.
#[derive(Clone, Default)]
pub(super) struct Ice(Arc<AtomicBool>);

impl Ice {
    pub fn freeze(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn current(&self) -> Self {
        self.clone()
    }

    fn holds(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) async fn serve(gate: Arc<Gate>, acceptor: TlsAcceptor, stream: TcpStream, ice: Ice) {
    let _ = stream.set_nodelay(true);
    if gate.fault() == Fault::Silent {
        let _held = stream;
        let _ = gate.changes().wait_for(|fault| *fault != Fault::Silent).await;
        return;
    }
    let Ok(stream) = acceptor.accept(Freezing { stream, ice }).await else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let gate = gate.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            gate.pass(Request::from_parts(parts, body)).await.map_err(io::Error::other)
        }
    });
    // how a connection ends is the client's to see
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

struct Freezing {
    stream: TcpStream,
    ice: Ice,
}

/// While the ice holds nothing moves, and nobody is woken any more.
macro_rules! unless_frozen {
    ($self:ident, $call:ident, $cx:ident $(, $argument:expr)*) => {
        if $self.ice.holds() { Poll::Pending } else { Pin::new(&mut $self.stream).$call($cx $(, $argument)*) }
    };
}

impl AsyncRead for Freezing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        unless_frozen!(self, poll_read, cx, buffer)
    }
}

impl AsyncWrite for Freezing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        unless_frozen!(self, poll_write, cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        unless_frozen!(self, poll_flush, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        unless_frozen!(self, poll_shutdown, cx)
    }
}
