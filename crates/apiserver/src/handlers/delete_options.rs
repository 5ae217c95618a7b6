//! `DeleteOptions`, from the body or from the query.

use comity_core::{FieldError, GroupKind, Status, Value, decode_json, decode_yaml, json, object};

use comity_schema::protobuf;

use super::body;
use crate::request::Request;

/// How dependents are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They lose their owner reference.
    Orphan,
    /// They are deleted after their owner.
    Background,
    /// They are deleted before their owner.
    Foreground,
}

/// Options of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds until the object is removed.
    pub grace_seconds: Option<i64>,
    /// The uid that the object must have.
    pub uid: Option<String>,
    /// The resourceVersion that the object must have.
    pub resource_version: Option<String>,
    /// How dependents are treated.
    pub propagation: Option<Propagation>,
    /// The older form of the same.
    pub orphan_dependents: Option<bool>,
    /// Nothing is deleted.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads the options of a request.
    ///
    /// # Errors
    /// 400 or 422.
    pub fn parse(request: &Request) -> Result<Self, Status> {
        let value = if request.body.is_empty() { from_query(request)? } else { from_body(request)? };
        Self::from_value(&value)
    }

    /// Reads the object form.
    ///
    /// # Errors
    /// 422 for values that are not allowed.
    pub fn from_value(value: &Value) -> Result<Self, Status> {
        let text = |path: &[&str]| object::at(value, path).and_then(Value::as_str).map(str::to_owned);
        let mut errors = Vec::new();
        let policy = text(&["propagationPolicy"]);
        let propagation = match policy.as_deref() {
            None => None,
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                errors.push(FieldError::not_supported("propagationPolicy", &json!(other), &["Foreground", "Background", "Orphan", "nil"]));
                None
            }
        };
        let orphan_dependents = value.get("orphanDependents").and_then(Value::as_bool);
        if orphan_dependents.is_some() && policy.is_some() {
            errors.push(FieldError::invalid(
                "propagationPolicy",
                &json!(policy),
                "orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        let dry_run = object::items_at(value, &["dryRun"]);
        if dry_run.iter().any(|v| v != "All") {
            errors.push(FieldError::not_supported("dryRun", &json!(dry_run), &["All"]));
        }
        if !errors.is_empty() {
            return Err(Status::invalid(&GroupKind { group: "meta.k8s.io".into(), kind: "DeleteOptions".into() }, "", &errors));
        }
        Ok(Self {
            grace_seconds: object::int_at(value, &["gracePeriodSeconds"]).map(|s| if s < 0 { 1 } else { s }),
            uid: text(&["preconditions", "uid"]),
            resource_version: text(&["preconditions", "resourceVersion"]),
            propagation,
            orphan_dependents,
            dry_run: !dry_run.is_empty(),
        })
    }
}

fn from_body(request: &Request) -> Result<Value, Status> {
    let value = match request.content_type().as_str() {
        "" | "application/json" => decode_json(&request.body).map_err(|e| Status::bad_request(e.to_string()))?.value,
        "application/yaml" => decode_yaml(&request.body).map_err(|e| Status::bad_request(e.to_string()))?.value,
        "application/vnd.kubernetes.protobuf" => protobuf::decode(&request.body)?,
        _ => return Err(body::unsupported_media_type(&["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"])),
    };
    match value.get("kind").and_then(Value::as_str) {
        None | Some("" | "DeleteOptions") => Ok(value),
        Some(_) => Err(Status::bad_request("decoded object cannot be converted to DeleteOptions")),
    }
}

fn from_query(request: &Request) -> Result<Value, Status> {
    let query = &request.query;
    let mut value = json!({});
    if let Some(text) = query.text("gracePeriodSeconds") {
        let seconds: i64 = text.parse().map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?;
        value["gracePeriodSeconds"] = seconds.into();
    }
    if let Some(policy) = query.text("propagationPolicy") {
        value["propagationPolicy"] = policy.into();
    }
    if query.text("orphanDependents").is_some() {
        value["orphanDependents"] = query.flag("orphanDependents").into();
    }
    let dry_run: Vec<&str> = query.all("dryRun").filter(|v| !v.is_empty()).collect();
    if !dry_run.is_empty() {
        value["dryRun"] = json!(dry_run);
    }
    Ok(value)
}
