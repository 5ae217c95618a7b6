//! A plain HTTP/2 client over TLS: as little as a client can do, so that the server is what is measured.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Requests that one connection carries at the same time.
pub const STREAMS: usize = 8;

/// One connection; clones share it.
#[derive(Clone)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    token: Arc<str>,
}

impl Connection {
    /// Connects to `localhost` at an address, trusting one authority, with a bearer token.
    pub async fn open(address: SocketAddr, authority_pem: &str, token: &str) -> anyhow::Result<Connection> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority_pem.as_bytes()).context("reading the authority")?)?;
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::new(config)).connect("localhost".try_into()?, stream).await?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(connection);
        Ok(Connection { sender, authority: address.to_string(), token: token.into() })
    }

    /// As many connections as that many clients need.
    pub async fn pool(clients: usize, address: SocketAddr, authority_pem: &str, token: &str) -> anyhow::Result<Vec<Connection>> {
        let mut pool = Vec::new();
        for _ in 0..clients.div_ceil(STREAMS) {
            pool.push(Connection::open(address, authority_pem, token).await?);
        }
        Ok(pool)
    }

    /// Sends a request and returns its answer once the head is there.
    pub async fn send(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<http::Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.authority))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .body(Full::new(body))?;
        let mut sender = self.sender.clone();
        sender.ready().await?;
        Ok(sender.send_request(request).await?)
    }

    /// Sends a request, reads the whole answer, and returns how long it is. A refusal is an error.
    pub async fn exchange(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<usize> {
        let response = self.send(method, path, body).await?;
        let status = response.status();
        if status != StatusCode::OK && status != StatusCode::CREATED {
            let text = response.into_body().collect().await?.to_bytes();
            anyhow::bail!("{path}: {status}: {}", String::from_utf8_lossy(&text));
        }
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(length)
    }
}
