//! A server in memory, without a socket, and requests to it.
#![allow(dead_code, clippy::unwrap_used, missing_docs, reason = "every test file uses its part")]

use std::sync::Arc;

use bytes::Bytes;
use comity_apiserver::{
    ApiServer, Config, User, fields, serve, start,
    user::{Identity, Peer},
};
use comity_core::{Value, json};
use comity_store::{Options, Store};
use http::HeaderMap;
use http_body_util::{BodyExt, Full};

/// The token of the administrator.
pub const ADMIN_TOKEN: &str = "admin-token";

/// A started server.
pub struct Hub(pub ApiServer);

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The body of an answer that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.code < 300, "{}: {}", self.code, self.body);
        self.json()
    }

    /// Code and message of a failure.
    pub fn failure(&self) -> (u16, String) {
        (self.code, self.json()["message"].as_str().unwrap_or("").to_owned())
    }
}

impl Hub {
    /// Starts one in memory.
    pub async fn start() -> Self {
        Self::over(Store::open(Options { extractor: fields::extractor(), ..Options::mem() }).unwrap()).await
    }

    /// Starts one over a store.
    pub async fn over(store: Store) -> Self {
        let authority = comity_pki::Authority::new("test").unwrap();
        let certificate = authority.issue_server(&["localhost"], &[]).unwrap();
        let tls = comity_pki::ServerTls::new(&certificate, Some(authority.certificate_pem())).unwrap();
        let mut config = Config::new("test", store, tls.config());
        config.listen = None;
        config.admin_tokens = vec![ADMIN_TOKEN.to_owned()];
        config.token_signer = Some(Arc::new(comity_pki::TokenSigner::new().unwrap()));
        config.server_ca = authority.certificate_pem().to_owned();
        Self(start(config).await.unwrap())
    }

    /// A request of a user.
    pub async fn send(&self, user: &User, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.request(Identity::Known(user.clone()), method, path, &[], body).await
    }

    /// A request of the administrator.
    pub async fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.send(&User::system("root"), method, path, body).await
    }

    /// A request from the network, with headers.
    pub async fn outside(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
        self.request(Identity::Peer(Peer::default()), method, path, headers, body).await
    }

    async fn request(&self, identity: Identity, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
        let mut request = http::Request::builder().method(method).uri(path);
        let merge = method == "PATCH" && !headers.iter().any(|(name, _)| *name == "content-type");
        if merge {
            request = request.header("content-type", "application/merge-patch+json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let response = serve::serve(self.0.cx(), &identity, request.body(Full::new(Bytes::from(body))).unwrap()).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { code: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Waits until a check holds, looking again whenever the store has changed.
    pub async fn until(&self, resource: &str, mut holds: impl FnMut() -> bool) {
        let wait = async {
            loop {
                let revision = self.0.store().revision();
                if holds() {
                    return;
                }
                let mut cursor = self.0.store().watch(resource, revision).unwrap();
                drop(cursor.next_batch().await);
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("it should have happened long ago");
    }
}

/// A user without any group but the virtual one.
pub fn user(name: &str) -> User {
    User::new(name, &[])
}

/// A definition of `widgets.example.com` or the like, with a status and a scale subresource in v1 and an open v1beta1.
pub fn definition(plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": [&plural[..2]], "categories": ["all"]},
            "versions": [
                {
                    "name": "v1", "served": true, "storage": true,
                    "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                    "additionalPrinterColumns": [{"name": "Rep", "type": "integer", "jsonPath": ".spec.replicas"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {"replicas": {"type": "integer", "default": 2}, "color": {"type": "string"}}},
                        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                    }}},
                },
                {
                    "name": "v1beta1", "served": true, "storage": false, "deprecated": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                },
            ],
        },
    })
}
