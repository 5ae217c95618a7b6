//! From a request's body to an object of the expected kind.

use comity_core::{Decoded, GroupVersionKind, Reason, Status, Value, decode_json, decode_yaml, kinds::split_api_version, object};
use comity_schema::{Schema, protobuf};

use super::write_options::FieldValidation;
use crate::{registry::Resource, request::Request};

/// What a body may be and must contain.
pub struct Expected<'a> {
    /// The kind that the endpoint takes.
    pub kind: GroupVersionKind,
    /// Its type; nothing for kinds without one.
    pub schema: Option<&'a Schema>,
    /// Whether it is a custom kind: never protobuf, and the kind must be written.
    pub custom: bool,
}

impl<'a> Expected<'a> {
    /// An object of the resource itself.
    pub fn object_of(resource: &'a Resource) -> Self {
        Self { kind: resource.gvk(), schema: Some(resource.schema()), custom: resource.custom.is_some() }
    }
}

/// Decodes, drops unknown fields (or refuses them) and fills in defaults.
///
/// # Errors
/// 400 or 415.
pub fn decode(request: &Request, expected: &Expected<'_>, validation: FieldValidation) -> Result<Value, Status> {
    let Decoded { mut value, duplicates } = read(request, expected)?;
    check_kind(request, &mut value, expected)?;
    settle(request, &mut value, expected, duplicates, validation)?;
    Ok(value)
}

/// The value as it was sent.
///
/// # Errors
/// 400 for text that cannot be read, 415 for an unknown content type.
pub fn read(request: &Request, expected: &Expected<'_>) -> Result<Decoded, Status> {
    if request.body.is_empty() && request.content_type() != "application/vnd.kubernetes.protobuf" {
        let why = format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
            expected.kind.kind
        );
        return Err(Status::bad_request(why));
    }
    let broken = |why: String| {
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; {why}",
            expected.kind.kind
        ))
    };
    match request.content_type().as_str() {
        "" | "application/json" | "text/json" | "*/*" => decode_json(&request.body).map_err(|e| broken(format!("json parse error: {e}"))),
        "application/yaml" | "text/yaml" | "application/x-yaml" => {
            decode_yaml(&request.body).map_err(|e| broken(format!("yaml parse error: {e}")))
        }
        "application/vnd.kubernetes.protobuf" if !expected.custom => {
            Ok(Decoded { value: protobuf::decode(&request.body)?, duplicates: Vec::new() })
        }
        _ => Err(unsupported_media_type(&["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"])),
    }
}

/// 415 with the list of what is taken.
pub fn unsupported_media_type(accepted: &[&str]) -> Status {
    Status::new(
        Reason::UnsupportedMediaType,
        format!("the body of the request was in an unknown format - accepted media types include: {}", accepted.join(", ")),
    )
}

/// Checks (and fills in) `apiVersion` and `kind`.
///
/// # Errors
/// 400 when the body is of another kind.
pub fn check_kind(request: &Request, value: &mut Value, expected: &Expected<'_>) -> Result<(), Status> {
    let kind = &expected.kind;
    let cannot = |what: String| Status::bad_request(format!("the object provided is unrecognized (must be of type {}): {what}", kind.kind));
    let Some(map) = value.as_object_mut() else { return Err(cannot("the body is not an object".into())) };
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let (is_version, is_kind) = (text("apiVersion"), text("kind"));
    if expected.custom && is_kind.is_empty() {
        return Err(cannot("Object 'Kind' is missing in the body".into()));
    }
    let version = kind.api_version();
    let sent = GroupVersionKind::new(
        split_api_version(&is_version).0,
        split_api_version(&is_version).1,
        if is_kind.is_empty() { &kind.kind } else { &is_kind },
    );
    if !is_version.is_empty() && is_version != version && !expected.custom && request.cx.registry.current().find_kind(&sent).is_none() {
        let why = format!("no kind {:?} is registered for version {is_version:?} in scheme \"pkg/runtime/scheme.go:111\"", sent.kind);
        return Err(Status::bad_request(format!(
            "{} in version {:?} cannot be handled as a {}: {why}",
            sent.kind, sent.version, kind.kind
        )));
    }
    if !is_version.is_empty() && is_version != version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({is_version}) does not match the expected API version ({version})"
        )));
    }
    if !is_kind.is_empty() && is_kind != kind.kind {
        let group = kind.group.split('.').next().filter(|g| !g.is_empty()).unwrap_or("core");
        return Err(Status::bad_request(format!(
            "{is_kind} in version {0:?} cannot be handled as a {1}: converting ({0}.{is_kind}) to ({group}.{1}): unknown conversion",
            kind.version.as_str(),
            kind.kind
        )));
    }
    if is_version.is_empty() {
        map.insert("apiVersion".into(), version.into());
    }
    if is_kind.is_empty() {
        map.insert("kind".into(), kind.kind.as_str().into());
    }
    Ok(())
}

/// Types, unknown fields, defaults.
fn settle(
    request: &Request,
    value: &mut Value,
    expected: &Expected<'_>,
    duplicates: Vec<String>,
    validation: FieldValidation,
) -> Result<(), Status> {
    let Some(schema) = expected.schema else { return Ok(()) };
    let kind = &expected.kind;
    let cannot =
        |why: &str| Status::bad_request(format!("{0} in version {1:?} cannot be handled as a {0}: {why}", kind.kind, kind.version));
    schema.check_types(value).map_err(|why| cannot(&why))?;
    let unknown = schema.prune(value);
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            for text in comity_schema::strict_parts(&unknown, &duplicates) {
                request.warnings.add(text);
            }
        }
        FieldValidation::Strict => {
            if let Some(why) = comity_schema::strict_error(&unknown, &duplicates) {
                return Err(cannot(&why));
            }
        }
    }
    if object::at(value, &["metadata"]).is_none_or(|m| !m.is_object()) {
        object::set(value, &["metadata"], Value::Object(comity_core::Map::new()));
    }
    schema.default(value);
    Ok(())
}
