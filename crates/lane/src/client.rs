//! One cluster's API, type-erased: objects are JSON values, resources are named by data.

mod confidential;
mod discovery;
mod error;
mod query;
pub mod wire;

use std::time::Duration;

use comity_core::{GroupVersionResource, Map, Status, Value, object};
use futures::AsyncBufRead;
use http::{Method, Request, header};
use kube::client::Body;

pub use discovery::{Discovery, Resource};
pub use error::ClientError;
use query::Query;

/// How long a request may take unless [`ClusterClient::with_timeout`] says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The client of one cluster. Cloning shares the connections.
#[derive(Clone)]
pub struct ClusterClient {
    http: kube::Client,
    timeout: Duration,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Label selector in its text form; empty selects all.
    pub label_selector: String,
    /// Field selector in its text form; empty selects all.
    pub field_selector: String,
    /// Objects per page; 0 asks for the whole list.
    pub limit: u32,
    /// The token of the page before.
    pub continue_token: String,
    /// Empty: the newest state; `0`: any state.
    pub resource_version: String,
}

/// A page of objects, or all of them.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The revision that the list shows.
    pub resource_version: String,
    /// The objects; each carries its `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// The token of the next page; empty on the last.
    pub continue_token: String,
}

/// The form of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
    /// Kubernetes' strategic merge.
    Strategic,
    /// Server-side apply.
    Apply {
        /// Takes fields over from other managers.
        force: bool,
    },
}

/// What happens to the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the API's")]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Only the object with this uid.
    pub uid: Option<String>,
    /// Only this state of the object.
    pub resource_version: Option<String>,
    /// What happens to the dependents; `None` leaves it to the kind.
    pub propagation: Option<Propagation>,
    /// Seconds that a graceful kind gets; `None` leaves it to the object.
    pub grace_seconds: Option<u64>,
}

impl ClusterClient {
    /// A client over a transport.
    pub fn new(http: kube::Client) -> Self {
        Self { http, timeout: DEFAULT_TIMEOUT }
    }

    /// The same connections with another time limit per request.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { http: self.http.clone(), timeout }
    }

    /// One object; `None` when it does not exist.
    ///
    /// # Errors
    /// The request failed; a 404 for the whole resource is `Ok(None)` as well.
    pub async fn get(&self, gvr: &GroupVersionResource, namespace: &str, name: &str) -> Result<Option<Value>, ClientError> {
        match self.json(Method::GET, &object_path(gvr, namespace, name, None), Query::default(), None).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of objects of one namespace or of all of them.
    ///
    /// # Errors
    /// The request failed, or the answer is not a list.
    pub async fn list(&self, gvr: &GroupVersionResource, namespace: Option<&str>, options: &ListOptions) -> Result<List, ClientError> {
        let mut query = Query::default();
        query.text("labelSelector", &options.label_selector);
        query.text("fieldSelector", &options.field_selector);
        query.text("continue", &options.continue_token);
        query.text("resourceVersion", &options.resource_version);
        if options.limit > 0 {
            query.text("limit", &options.limit.to_string());
        }
        let answer = self.json(Method::GET, &gvr.path(namespace), query, None).await?;
        read_list(answer).ok_or_else(|| ClientError::Malformed(format!("the list of {gvr} has no items")))
    }

    /// Creates an object.
    ///
    /// # Errors
    /// The request failed.
    pub async fn create(&self, gvr: &GroupVersionResource, namespace: &str, object: &Value, manager: &str) -> Result<Value, ClientError> {
        self.json(Method::POST, &gvr.path(some(namespace)), Query::manager(manager), Some(Content::json(object))).await
    }

    /// Creates a subresource of an object, such as `binding`.
    ///
    /// # Errors
    /// The request failed.
    pub async fn create_sub(
        &self,
        gvr: &GroupVersionResource,
        namespace: &str,
        name: &str,
        subresource: &str,
        object: &Value,
        manager: &str,
    ) -> Result<Value, ClientError> {
        let path = object_path(gvr, namespace, name, Some(subresource));
        self.json(Method::POST, &path, Query::manager(manager), Some(Content::json(object))).await
    }

    /// Replaces an object or one of its subresources.
    ///
    /// # Errors
    /// The request failed.
    pub async fn replace(
        &self,
        gvr: &GroupVersionResource,
        namespace: &str,
        name: &str,
        subresource: Option<&str>,
        object: &Value,
        manager: &str,
    ) -> Result<Value, ClientError> {
        let path = object_path(gvr, namespace, name, subresource);
        self.json(Method::PUT, &path, Query::manager(manager), Some(Content::json(object))).await
    }

    /// Patches an object or one of its subresources.
    ///
    /// # Errors
    /// The request failed.
    #[allow(clippy::too_many_arguments, reason = "the parts of one request")]
    pub async fn patch(
        &self,
        gvr: &GroupVersionResource,
        namespace: &str,
        name: &str,
        subresource: Option<&str>,
        kind: PatchKind,
        patch: &Value,
        manager: &str,
        dry_run: bool,
    ) -> Result<Value, ClientError> {
        let mut query = Query::manager(manager);
        if dry_run {
            query.text("dryRun", "All");
        }
        if kind == (PatchKind::Apply { force: true }) {
            query.text("force", "true");
        }
        let content = Content { kind: kind.media_type(), body: patch.to_string() };
        self.json(Method::PATCH, &object_path(gvr, namespace, name, subresource), query, Some(content)).await
    }

    /// Deletes an object; `None` when it was not there. The answer is the object that is going away, or a `Status` of success.
    ///
    /// # Errors
    /// The request failed, or a precondition does not hold.
    pub async fn delete(
        &self,
        gvr: &GroupVersionResource,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Option<Value>, ClientError> {
        let path = object_path(gvr, namespace, name, None);
        match self.json(Method::DELETE, &path, Query::default(), Some(Content::json(&options.to_value()))).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes the objects of a namespace that the selectors choose.
    ///
    /// # Errors
    /// The request failed.
    pub async fn delete_collection(
        &self,
        gvr: &GroupVersionResource,
        namespace: &str,
        label_selector: &str,
        options: &DeleteOptions,
    ) -> Result<(), ClientError> {
        let mut query = Query::default();
        query.text("labelSelector", label_selector);
        self.json(Method::DELETE, &gvr.path(some(namespace)), query, Some(Content::json(&options.to_value()))).await.map(drop)
    }

    /// The answer of any path as text, with its HTTP code, whatever it is.
    ///
    /// # Errors
    /// No answer came.
    pub async fn get_text(&self, path: &str) -> Result<(u16, String), ClientError> {
        let request = request(Method::GET, path, "application/json, text/plain, */*", None)?;
        let (code, body) = self.within(self.exchange(request)).await?;
        Ok((code, String::from_utf8_lossy(&body).into_owned()))
    }

    /// What the cluster serves.
    ///
    /// # Errors
    /// No answer came, or discovery itself is refused. Groups that fail alone are named in the result.
    pub async fn discover(&self) -> Result<Discovery, ClientError> {
        discovery::discover(self).await
    }

    /// Any GET with a media type, as JSON.
    async fn get_json(&self, path: &str, accept: &str) -> Result<Value, ClientError> {
        let request = request(Method::GET, path, accept, None)?;
        self.within(async { read_answer(self.exchange(request).await?) }).await
    }

    /// The event stream of a watch: lines of JSON. The time limit covers the wait for the answer's head only.
    pub(crate) async fn watch_lines(
        &self,
        gvr: &GroupVersionResource,
        namespace: Option<&str>,
        options: &ListOptions,
        timeout: Duration,
    ) -> Result<impl AsyncBufRead + Send + use<>, ClientError> {
        let mut query = Query::default();
        query.text("watch", "true");
        query.text("allowWatchBookmarks", "true");
        query.text("timeoutSeconds", &timeout.as_secs().to_string());
        query.text("labelSelector", &options.label_selector);
        query.text("fieldSelector", &options.field_selector);
        query.text("resourceVersion", &options.resource_version);
        let mut request = Request::get(query.on(&gvr.path(namespace))).extension(wire::Lasting);
        for (name, value) in [(header::ACCEPT, "application/json"), (header::ACCEPT_ENCODING, "identity")] {
            request = request.header(name, value);
        }
        let request = request.body(Vec::new()).map_err(|e| ClientError::Malformed(e.to_string()))?;
        self.within(async { self.http.request_stream(request).await.map_err(ClientError::from) }).await
    }

    async fn json(&self, method: Method, path: &str, query: Query, content: Option<Content>) -> Result<Value, ClientError> {
        let request = request(method, &query.on(path), "application/json", content)?;
        self.within(async { read_answer(self.exchange(request).await?) }).await
    }

    async fn exchange(&self, request: Request<Body>) -> Result<(u16, Vec<u8>), ClientError> {
        let answer = self.http.send(request).await.map_err(ClientError::from)?;
        let code = answer.status().as_u16();
        let body = answer.into_body().collect_bytes().await.map_err(ClientError::from)?;
        Ok((code, body.to_vec()))
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        tokio::time::timeout(self.timeout, work).await.unwrap_or(Err(ClientError::Timeout))
    }
}

impl PatchKind {
    fn media_type(self) -> &'static str {
        match self {
            PatchKind::Merge => "application/merge-patch+json",
            PatchKind::Json => "application/json-patch+json",
            PatchKind::Strategic => "application/strategic-merge-patch+json",
            PatchKind::Apply { .. } => "application/apply-patch+yaml",
        }
    }
}

impl DeleteOptions {
    /// Only the object with this uid.
    pub fn of_uid(uid: &str) -> Self {
        Self { uid: Some(uid.to_owned()), ..Self::default() }
    }

    fn to_value(&self) -> Value {
        let mut options = comity_core::json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if let Some(uid) = &self.uid {
            object::set(&mut options, &["preconditions", "uid"], uid.as_str().into());
        }
        if let Some(version) = &self.resource_version {
            object::set(&mut options, &["preconditions", "resourceVersion"], version.as_str().into());
        }
        if let Some(propagation) = self.propagation {
            options["propagationPolicy"] = format!("{propagation:?}").into();
        }
        if let Some(seconds) = self.grace_seconds {
            options["gracePeriodSeconds"] = seconds.into();
        }
        options
    }
}

/// A request's body.
struct Content {
    kind: &'static str,
    body: String,
}

impl Content {
    fn json(object: &Value) -> Self {
        Self { kind: "application/json", body: object.to_string() }
    }
}

fn request(method: Method, uri: &str, accept: &str, content: Option<Content>) -> Result<Request<Body>, ClientError> {
    let mut request = Request::builder().method(method).uri(uri).header(header::ACCEPT, accept);
    let body = match content {
        Some(content) => {
            request = request.header(header::CONTENT_TYPE, content.kind);
            Body::from(content.body.into_bytes())
        }
        None => Body::empty(),
    };
    request.body(body).map_err(|e| ClientError::Malformed(format!("{uri}: {e}")))
}

fn read_answer((code, body): (u16, Vec<u8>)) -> Result<Value, ClientError> {
    let decoded = serde_json::from_slice::<Value>(&body);
    if (200..300).contains(&code) {
        return decoded.map_err(|e| ClientError::Malformed(format!("HTTP {code} with a body that is not JSON: {e}")));
    }
    let status = match decoded {
        Ok(value) if value["kind"] == "Status" => Status::from_value(code, &value),
        _ => {
            let text = String::from_utf8_lossy(&body);
            Status::from_value(code, &comity_core::json!({"message": text.trim()}))
        }
    };
    Err(ClientError::of_status(status))
}

/// Items of built-in lists carry no `apiVersion` and `kind`: they get the list's.
fn read_list(mut answer: Value) -> Option<List> {
    let api_version = object::str_at(&answer, &["apiVersion"]).to_owned();
    let kind = object::str_at(&answer, &["kind"]);
    let kind = kind.strip_suffix("List").unwrap_or(kind).to_owned();
    let resource_version = object::resource_version(&answer).to_owned();
    let continue_token = object::str_at(&answer, &["metadata", "continue"]).to_owned();
    let mut items = match answer.get_mut("items")?.take() {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        _ => return None,
    };
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        put_first(item, "kind", &kind);
        put_first(item, "apiVersion", &api_version);
    }
    Some(List { resource_version, items, continue_token })
}

fn put_first(item: &mut Map<String, Value>, key: &str, value: &str) {
    if !item.contains_key(key) {
        item.shift_insert(0, key.to_owned(), value.into());
    }
}

fn object_path(gvr: &GroupVersionResource, namespace: &str, name: &str, subresource: Option<&str>) -> String {
    let mut path = gvr.path(some(namespace));
    path.push('/');
    path.push_str(&query::escape(name));
    if let Some(subresource) = subresource {
        path.push('/');
        path.push_str(subresource);
    }
    path
}

fn some(namespace: &str) -> Option<&str> {
    (!namespace.is_empty()).then_some(namespace)
}

#[cfg(test)]
mod tests;
