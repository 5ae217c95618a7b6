//! Reading a review from a request and writing it back.

use comity_core::{GroupVersionKind, Status, Value, json, object};

use crate::{answer::Answer, request::Request};

/// The review in the body, with the type and namespace that the URL says.
///
/// # Errors
/// 400 when the body cannot be read or is of another kind.
pub fn read(request: &Request, kind: &GroupVersionKind) -> Result<Value, Status> {
    let body = &request.body;
    let decoded = match request.content_type().as_str() {
        "application/yaml" => comity_core::decode_yaml(body),
        "" | "application/json" => comity_core::decode_json(body),
        other => {
            let text = format!(
                "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml; got {other}"
            );
            return Err(Status::new(comity_core::Reason::UnsupportedMediaType, text));
        }
    };
    let sent = decoded.map_err(|e| Status::bad_request(e.to_string()))?.value;
    let found = object::gvk(&sent);
    if !found.kind.is_empty() && found != *kind {
        return Err(Status::bad_request(format!("the object provided is unrecognized (must be of type {}): {found}", kind.kind)));
    }
    let mut review = json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": {}});
    if let Some(metadata) = sent.get("metadata").filter(|m| m.is_object()) {
        review["metadata"] = metadata.clone();
    }
    let namespace = request.info.namespace.as_str();
    if !namespace.is_empty() {
        let own = object::namespace(&review);
        if !own.is_empty() && own != namespace {
            return Err(Status::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
        }
        object::set(&mut review, &["metadata", "namespace"], namespace.into());
    }
    if let Some(spec) = sent.get("spec").filter(|s| s.is_object()) {
        review["spec"] = spec.clone();
    }
    Ok(review)
}

/// The answer that carries a review.
pub fn written(request: &Request, code: u16, review: &Value) -> Result<Answer, Status> {
    crate::discovery::document(request, code, review)
}
