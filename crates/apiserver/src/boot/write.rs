//! Requests of the server to itself.

use bytes::Bytes;
use comity_core::{Reason, Status, Value};
use http::{Method, header};
use http_body_util::{BodyExt, Full};

use crate::{
    cx::Cx,
    serve,
    user::{Identity, User},
};

/// Creates an object; answers whether it was not there.
pub async fn create(cx: &Cx, collection: &str, object: &Value) -> Result<bool, Status> {
    match send(cx, Method::POST, collection, "application/json", object).await? {
        (409, _) => Ok(false),
        (code, _) if code < 300 => Ok(true),
        (code, answer) => Err(refused("POST", collection, code, &answer)),
    }
}

/// Merges a patch into an object.
pub async fn merge(cx: &Cx, path: &str, patch: &Value) -> Result<(), Status> {
    match send(cx, Method::PATCH, path, "application/merge-patch+json", patch).await? {
        (code, _) if code < 300 => Ok(()),
        (code, answer) => Err(refused("PATCH", path, code, &answer)),
    }
}

async fn send(cx: &Cx, method: Method, path: &str, content_type: &str, body: &Value) -> Result<(u16, Value), Status> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::USER_AGENT, "kube-apiserver/comity")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(Status::internal)?;
    let response = serve::serve(cx, &Identity::Known(User::system("system:apiserver")), request).await;
    let code = response.status().as_u16();
    let bytes = match response.into_body().collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(never) => match never {},
    };
    Ok((code, serde_json::from_slice(&bytes).unwrap_or_default()))
}

fn refused(verb: &str, path: &str, code: u16, answer: &Value) -> Status {
    let message = answer["message"].as_str().unwrap_or("");
    Status::new(Reason::InternalError, format!("making the first objects: {verb} {path} answered {code}: {message}"))
}
