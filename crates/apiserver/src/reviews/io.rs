//! Reading a review from a request and writing it back.

use comity_core::{GroupVersionKind, Status, Value, json, object};
use comity_schema::{builtin, managed};

use crate::{
    answer::Answer,
    handlers::{
        body::{self, Expected},
        render,
        write_options::{FieldValidation, WriteOptions},
    },
    request::Request,
};

/// Reviews whose fields nobody owns.
const OWN: [&str; 2] = ["SelfSubjectReview", "SelfSubjectRulesReview"];

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
    let Some(schema) = schema.filter(|_| !OWN.contains(&kind.kind.as_str())) else { return Ok(review) };
    let options = WriteOptions::parse(request, "CreateOptions", false)?;
    let write = managed::Write {
        manager: &options.manager,
        api_version: &kind.api_version(),
        subresource: &request.info.subresource,
        now: &request.cx.now_text(),
        reset: &[],
    };
    Ok(managed::update(&schema, None, review, &write))
}

/// The answer that carries a review.
///
/// # Errors
/// 406 when the client takes no form that there is.
pub fn written(request: &Request, code: u16, mut review: Value) -> Result<Answer, Status> {
    if let Some(schema) = builtin::table().type_schema(&object::gvk(&review)) {
        schema.canonicalize(&mut review);
    }
    render::other(request, code, &review)
}
