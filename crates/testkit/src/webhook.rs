//! An admission webhook: a TLS server in the test's process that API servers ask.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context;
use comity_core::{Value, json};
use comity_pki::{Authority, ServerTls};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Answers with a JSON patch (RFC 6902) of the object that is to be admitted, or nothing.
type Mutate = Arc<dyn Fn(&Value) -> Value + Send + Sync>;

/// A running webhook. Dropping it ends it.
pub struct Webhook {
    address: SocketAddr,
    ca: String,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Webhook {
    /// Starts one that answers with what `mutate` makes of each object: the operations of a JSON patch.
    ///
    /// # Errors
    /// No certificate, or no port.
    pub async fn start(mutate: impl Fn(&Value) -> Value + Send + Sync + 'static) -> anyhow::Result<Self> {
        let authority = Authority::new("webhook")?;
        let certificate = authority.issue_server(&["localhost"], &[[127, 0, 0, 1].into()])?;
        let mut tls = (*ServerTls::new(&certificate, None)?.config()).clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen")?;
        let address = listener.local_addr()?;
        let (asked, mutate): (Arc<AtomicUsize>, Mutate) = (Arc::default(), Arc::new(mutate));
        let counter = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(tls.clone(), stream, mutate.clone(), counter.clone()));
            }
        });
        Ok(Self { address, ca: authority.certificate_pem().to_owned(), asked, task })
    }

    /// Where API servers find it.
    pub fn url(&self) -> String {
        format!("https://{}/mutate", self.address)
    }

    /// The certificate that they must trust, PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(tls: TlsAcceptor, stream: TcpStream, mutate: Mutate, asked: Arc<AtomicUsize>) {
    let Ok(stream) = tls.accept(stream).await else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        asked.fetch_add(1, Ordering::SeqCst);
        let mutate = mutate.clone();
        async move {
            let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
            let review = serde_json::from_slice(&body).unwrap_or_default();
            let answer = answer(&review, &mutate).to_string().into_bytes();
            let mut response = Response::new(Full::<hyper::body::Bytes>::from(answer));
            response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
            Ok::<_, Infallible>(response)
        }
    });
    // an API server that goes away ends it
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer(review: &Value, mutate: &Mutate) -> Value {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let patch = mutate(&review["request"]["object"]);
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch",
            "patch": BASE64_STANDARD.encode(patch.to_string()),
        },
    })
}
