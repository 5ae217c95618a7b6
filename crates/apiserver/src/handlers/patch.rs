//! `patch`: JSON patch, merge patch, strategic merge and server-side apply.

use std::sync::Arc;

use comity_core::{Decoded, FieldError, GroupKind, Map, Reason, Status, Value, decode_json, decode_yaml, json, object};

use comity_schema::{managed, strategic};

use super::{
    body, create,
    write::Write,
    write_options::{FieldValidation, WriteOptions},
};
use crate::{answer::Answer, registry::Resource, request::Request};

/// The most operations of one JSON patch.
const MOST_OPERATIONS: usize = 10_000;

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// A patch that was read.
pub enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7386.
    Merge(Value),
    /// Lists are merged by key, as the type says.
    Strategic(Value),
    /// Server-side apply.
    Apply(Value),
}

/// Changes the object as the body says.
///
/// # Errors
/// As the API states them.
pub async fn patch(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    request.accept.object()?;
    let (patch, duplicates) = read(request, resource.custom.is_some())?;
    let apply = matches!(patch, Patch::Apply(_));
    let options = WriteOptions::parse(request, "PatchOptions", apply)?;
    check_duplicates(request, options.validation, &duplicates, apply)?;
    if let Patch::Apply(config) = &patch {
        check_config(resource, config)?;
    }
    let write = Write::new(request, resource, options);
    let name = &request.info.name;
    let may_create = apply && request.info.subresource.is_empty();
    let change = |live: Option<&Value>| {
        if let Patch::Apply(config) = &patch {
            return applied(&write, resource, live, config);
        }
        let Some(live) = live else { return Ok(None) };
        let patched = patched(resource, live, &patch)?;
        let patched = settle(request, &write, resource, patched)?;
        Ok(Some(write.manage(live, patched)))
    };
    let (written, created) = write.update(name, may_create, change).await?;
    create::answer(request, resource, if created { 201 } else { 200 }, written)
}

/// Reads the patch, and the repeated keys in it.
///
/// # Errors
/// 400, 413 or 415.
pub fn read(request: &Request, custom: bool) -> Result<(Patch, Vec<String>), Status> {
    let broken = |e: comity_core::decode::DecodeError| Status::bad_request(format!("error decoding patch: {e}"));
    let content_type = request.content_type();
    match content_type.as_str() {
        JSON_PATCH => {
            let Decoded { value, duplicates } = decode_json(&request.body).map_err(broken)?;
            let operations = value.as_array().map_or(0, Vec::len);
            if operations > MOST_OPERATIONS {
                let why = format!("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {operations}");
                return Err(Status::new(Reason::RequestEntityTooLarge, why));
            }
            let patch = serde_json::from_value(value).map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))?;
            Ok((Patch::Json(patch), duplicates))
        }
        MERGE_PATCH => {
            let Decoded { value, duplicates } = decode_json(&request.body).map_err(broken)?;
            must_be_object(&value)?;
            Ok((Patch::Merge(value), duplicates))
        }
        STRATEGIC_PATCH if !custom => {
            let Decoded { value, duplicates } = decode_json(&request.body).map_err(broken)?;
            must_be_object(&value)?;
            Ok((Patch::Strategic(value), duplicates))
        }
        APPLY_PATCH => {
            let Decoded { value, duplicates } =
                decode_yaml(&request.body).map_err(|e| Status::bad_request(format!("error decoding YAML: {e}")))?;
            must_be_object(&value)?;
            Ok((Patch::Apply(value), duplicates))
        }
        _ if custom => Err(body::unsupported_media_type(&[JSON_PATCH, MERGE_PATCH, APPLY_PATCH])),
        _ => Err(body::unsupported_media_type(&[JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH])),
    }
}

fn must_be_object(value: &Value) -> Result<(), Status> {
    if value.is_object() { Ok(()) } else { Err(Status::bad_request("error decoding patch: the patch is not an object")) }
}

fn check_duplicates(request: &Request, validation: FieldValidation, duplicates: &[String], apply: bool) -> Result<(), Status> {
    match validation {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            for text in comity_schema::strict_parts(&[], duplicates) {
                request.warnings.add(text);
            }
            Ok(())
        }
        FieldValidation::Strict => match comity_schema::strict_error(&[], duplicates) {
            None => Ok(()),
            Some(why) if apply => Err(Status::bad_request(format!("error strict decoding YAML: {why}"))),
            Some(why) => Err(bad_patch(&Value::Null, &why)),
        },
    }
}

/// What an apply configuration must say about itself.
fn check_config(resource: &Resource, config: &Value) -> Result<(), Status> {
    if config.get("kind").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Status::bad_request("error decoding YAML: Object 'Kind' is missing in the body"));
    }
    let kind = object::gvk(config);
    if kind != resource.gvk() {
        return Err(Status::bad_request(format!("invalid object type: {kind}")));
    }
    Ok(())
}

fn applied(write: &Write<'_>, resource: &Resource, live: Option<&Value>, config: &Value) -> Result<Option<Value>, Status> {
    let Some(mut merged) = managed::apply(resource.schema(), live, config, write.options.force, &write.applies())? else {
        return Ok(None);
    };
    if object::at(&merged, &["metadata"]).is_none_or(|m| !m.is_object()) {
        object::set(&mut merged, &["metadata"], Value::Object(Map::new()));
    }
    resource.schema().check_types(&merged).map_err(Status::bad_request)?;
    resource.schema().prune(&mut merged);
    resource.schema().default(&mut merged);
    Ok(Some(merged))
}

/// The patch on an object.
///
/// # Errors
/// 422 when an operation does not fit the object.
pub fn patched(resource: &Resource, live: &Value, patch: &Patch) -> Result<Value, Status> {
    patched_as(Some(resource.schema()), live, patch)
}

/// The patch on an object of any type.
///
/// # Errors
/// 422 when an operation does not fit the object, 415 for apply.
pub fn patched_as(schema: Option<&comity_schema::Schema>, live: &Value, patch: &Patch) -> Result<Value, Status> {
    let mut out = live.clone();
    match patch {
        Patch::Json(operations) => {
            json_patch::patch(&mut out, operations).map_err(|e| {
                let mut status =
                    Status::new(Reason::Invalid, format!("the server rejected our request due to an error in our request: {e}"));
                status.code = 422;
                status
            })?;
        }
        Patch::Merge(patch) => json_patch::merge(&mut out, patch),
        Patch::Strategic(patch) => match schema {
            Some(schema) => out = strategic::merge(schema, live, patch)?,
            None => json_patch::merge(&mut out, patch),
        },
        Patch::Apply(_) => return Err(body::unsupported_media_type(&[JSON_PATCH, MERGE_PATCH])),
    }
    Ok(out)
}

/// What a patch made must be an object of the kind.
fn settle(request: &Request, write: &Write<'_>, resource: &Resource, mut value: Value) -> Result<Value, Status> {
    let expected = resource.gvk();
    if object::gvk(&value) != expected {
        let why = format!("the patched object is {}, not {expected}", object::gvk(&value));
        return Err(Status::bad_request(why));
    }
    if value.get("metadata").is_none_or(|m| !m.is_object()) {
        return Err(bad_patch(&value, "metadata must be an object"));
    }
    if let Err(why) = resource.schema().check_types(&value) {
        return Err(bad_patch(&value, &why));
    }
    let unknown = resource.schema().prune(&mut value);
    match write.options.validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            for text in comity_schema::strict_parts(&unknown, &[]) {
                request.warnings.add(text);
            }
        }
        FieldValidation::Strict => {
            if let Some(why) = comity_schema::strict_error(&unknown, &[]) {
                return Err(bad_patch(&value, &why));
            }
        }
    }
    resource.schema().default(&mut value);
    Ok(value)
}

fn bad_patch(value: &Value, why: &str) -> Status {
    let error = FieldError::invalid("patch", &json!(value.to_string()), why);
    let mut status = Status::invalid(&GroupKind::default(), "", std::slice::from_ref(&error));
    // Without a kind the message begins with an empty name, as clients know it.
    status.message = format!(" \"\" is invalid: {error}");
    status
}
