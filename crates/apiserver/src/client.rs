//! A Kubernetes client inside the server's own process.

use std::sync::Arc;

use tower::service_fn;

use crate::{
    cx::Cx,
    serve::serve,
    user::{Identity, User},
};

/// A client whose requests pass the same chain as those from the network, as the given user.
pub fn in_process(cx: &Cx, user: User) -> kube::Client {
    let cx = cx.clone();
    let identity = Arc::new(Identity::Known(user));
    let service = service_fn(move |request: http::Request<kube::client::Body>| {
        let (cx, identity) = (cx.clone(), identity.clone());
        async move {
            let request = request.map(Chain::new);
            Ok::<_, std::convert::Infallible>(serve(&cx, &identity, request).await)
        }
    });
    kube::Client::new(service, "default")
}

/// The client's body with an error type of its own (the client's is boxed, which is no error type itself).
struct Chain(std::pin::Pin<Box<kube::client::Body>>);

/// What can go wrong with a client's body.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BodyError(String);

impl Chain {
    fn new(body: kube::client::Body) -> Self {
        Self(Box::pin(body))
    }
}

impl http_body::Body for Chain {
    type Data = bytes::Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        self.0.as_mut().poll_frame(cx).map_err(|e| BodyError(e.to_string()))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}
