//! From stored bytes or values to answers in the form that the client asked for.

use comity_core::{Map, Status, Value};
use comity_store::Entry;

use crate::{
    answer::{Answer, JSON, YAML},
    convert,
    frame::accept::{Format, View},
    registry::Resource,
    request::Request,
    table,
};

/// What a `Table` row carries of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// The whole object.
    Object,
}

/// Reads `includeObject`.
///
/// # Errors
/// 400 for another value.
pub fn include(request: &Request) -> Result<Include, Status> {
    match request.query.text("includeObject") {
        None | Some("Metadata") => Ok(Include::Metadata),
        Some("None") => Ok(Include::None),
        Some("Object") => Ok(Include::Object),
        Some(other) => Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
    }
}

/// How the objects of one answer are written.
pub struct Writer<'a> {
    /// The resource that answers.
    pub resource: &'a Resource,
    /// The form of each object.
    pub view: View,
    /// What rows carry.
    pub include: Include,
}

impl<'a> Writer<'a> {
    /// For a resource and a form.
    pub fn new(resource: &'a Resource, view: View, include: Include) -> Self {
        Self { resource, view, include }
    }

    /// Whether an entry's bytes can be sent as they are.
    pub fn is_plain(&self, entry: &Entry) -> bool {
        self.view == View::Object && entry.body.parts().head().starts_with(self.resource.head.as_bytes())
    }

    /// Appends an object's JSON; list items of built-in kinds leave out kind and apiVersion.
    pub fn write(&self, entry: &Entry, item: bool, out: &mut Vec<u8>) {
        if !self.is_plain(entry) {
            let mut value = self.object(entry);
            if item && self.resource.custom.is_none() && self.view == View::Object {
                strip_kind(&mut value);
            }
            let value = self.shown(value, true);
            out.extend_from_slice(value.to_string().as_bytes());
            return;
        }
        if item && self.resource.custom.is_none() {
            let parts = entry.body.parts();
            out.push(b'{');
            out.extend_from_slice(&parts.head()[self.resource.head.len()..]);
            out.extend_from_slice(entry.rev.to_string().as_bytes());
            out.extend_from_slice(parts.tail());
        } else {
            entry.body.write_to(entry.rev, out);
        }
    }

    /// The object in the served version.
    pub fn object(&self, entry: &Entry) -> Value {
        let mut value = entry.object();
        convert::to_served(self.resource, &mut value);
        value
    }

    /// The object in the form that was asked for.
    pub fn shown(&self, value: Value, definitions: bool) -> Value {
        match self.view {
            View::Object => value,
            View::Metadata(version) => metadata_only(value, version),
            View::Table(version) => table_of(self.resource, &[value], version, self.include, definitions, Map::new()),
        }
    }
}

/// `PartialObjectMetadata` of an object.
pub fn metadata_only(mut value: Value, version: &str) -> Value {
    let mut out = Map::new();
    out.insert("kind".into(), "PartialObjectMetadata".into());
    out.insert("apiVersion".into(), format!("meta.k8s.io/{version}").into());
    out.insert("metadata".into(), value.get_mut("metadata").map(Value::take).unwrap_or_default());
    Value::Object(out)
}

/// A `Table` of objects.
pub fn table_of(
    resource: &Resource,
    objects: &[Value],
    version: &str,
    include: Include,
    definitions: bool,
    mut metadata: Map<String, Value>,
) -> Value {
    if metadata.is_empty()
        && let [one] = objects
    {
        metadata.insert("resourceVersion".into(), comity_core::object::resource_version(one).into());
    }
    let mut rows = Vec::with_capacity(objects.len());
    for object in objects {
        let mut row = Map::new();
        row.insert("cells".into(), Value::Array(table::cells(resource, object)));
        let conditions = table::row_conditions(resource, object);
        if !conditions.is_empty() {
            row.insert("conditions".into(), Value::Array(conditions));
        }
        let carried = match include {
            Include::None => Value::Null,
            Include::Metadata => metadata_only(object.clone(), version),
            Include::Object => object.clone(),
        };
        row.insert("object".into(), carried);
        rows.push(Value::Object(row));
    }
    let mut out = Map::new();
    out.insert("kind".into(), "Table".into());
    out.insert("apiVersion".into(), format!("meta.k8s.io/{version}").into());
    out.insert("metadata".into(), Value::Object(metadata));
    out.insert("columnDefinitions".into(), if definitions { Value::Array(table::definitions(resource)) } else { Value::Null });
    out.insert("rows".into(), Value::Array(rows));
    Value::Object(out)
}

fn strip_kind(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("kind");
        map.shift_remove("apiVersion");
    }
}

/// One stored object as an answer.
///
/// # Errors
/// 406 when it cannot be written as asked.
pub fn entry(request: &Request, resource: &Resource, code: u16, entry: &Entry) -> Result<Answer, Status> {
    let (format, view) = request.accept.object()?;
    let writer = Writer::new(resource, view, include(request)?);
    if format == Format::Json && !request.accept.pretty {
        let mut out = Vec::with_capacity(entry.body.size() + 32);
        writer.write(entry, false, &mut out);
        out.push(b'\n');
        return Ok(Answer::bytes(code, JSON, out));
    }
    let value = writer.shown(writer.object(entry), true);
    written(code, format, request.accept.pretty, &value)
}

/// One object of this resource as an answer.
///
/// # Errors
/// 406 when it cannot be written as asked.
pub fn object(request: &Request, resource: &Resource, code: u16, value: Value) -> Result<Answer, Status> {
    let (format, view) = request.accept.object()?;
    let value = Writer::new(resource, view, include(request)?).shown(value, true);
    written(code, format, request.accept.pretty, &value)
}

/// An object of any kind (a `Scale`, a `Status`, a review) as an answer.
///
/// # Errors
/// 406 when it cannot be written as asked.
pub fn other(request: &Request, code: u16, value: &Value) -> Result<Answer, Status> {
    written(code, request.accept.plain()?, request.accept.pretty, value)
}

/// Text of a value in a format.
///
/// # Errors
/// 500 when the value cannot be written as YAML.
pub fn written(code: u16, format: Format, pretty: bool, value: &Value) -> Result<Answer, Status> {
    Ok(match format {
        Format::Yaml => {
            let mut sorted = value.clone();
            sorted.sort_all_objects();
            Answer::bytes(code, YAML, comity_core::encode_yaml(&sorted).map_err(Status::internal)?)
        }
        Format::Json if pretty => Answer::bytes(code, JSON, serde_json::to_string_pretty(value).map_err(Status::internal)?),
        Format::Json => Answer::json(code, value),
    })
}
