//! Reading a review from a request and writing it back.

use comity_core::{GroupVersionKind, Status, Value, json, object};
use comity_schema::builtin;

use crate::{
    answer::Answer,
    handlers::{
        body::{self, Expected},
        render,
        write_options::FieldValidation,
    },
    request::Request,
};

/// The review in the body, with the type and namespace that the URL says.
///
/// # Errors
/// 400 when the body cannot be read or is of another kind.
pub fn read(request: &Request, kind: &GroupVersionKind) -> Result<Value, Status> {
    let schema = builtin::table().type_schema(kind);
    let expected = Expected { kind: kind.clone(), schema: schema.as_ref(), custom: false };
    let sent = body::decode(request, &expected, FieldValidation::Warn)?;
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
///
/// # Errors
/// 406 when the client takes no form that there is.
pub fn written(request: &Request, code: u16, review: &Value) -> Result<Answer, Status> {
    render::other(request, code, review)
}
