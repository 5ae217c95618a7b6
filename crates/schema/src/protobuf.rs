//! Protobuf bodies of typed clients, decoded along the same types as JSON.
//!
//! A body is `k8s\0` and a `runtime.Unknown` message that names the kind and holds the object's bytes. The result is the JSON object
//! that the same client would have sent: zero values of fields that are no pointers are left out.

mod special;
mod wire;

use base64::Engine as _;
use comity_core::{GroupVersionKind, Map, Status, Value, kinds};

use crate::{
    builtin,
    node::{Node, Object, POINTER, Scalar, Shape},
};
use wire::{Message, Wire, WireError};

const MAGIC: &[u8] = b"k8s\0";
/// Nesting that no real object comes near; every level of a definition's schema counts twice.
const DEPTH: u16 = 200;

/// Decodes a whole body into an object with `kind` and `apiVersion`.
///
/// # Errors
/// 400: the body is no such message, or its kind is unknown.
pub fn decode(body: &[u8]) -> Result<Value, Status> {
    let wrong = |why: WireError| Status::bad_request(format!("the protobuf body cannot be decoded: {why}"));
    let Some(unknown) = body.strip_prefix(MAGIC) else {
        return Err(Status::bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"));
    };
    whole(unknown, 0).map_err(wrong)?
}

/// A `runtime.Unknown`; the inner result is about what it says, the outer one about its encoding.
fn whole(unknown: &[u8], depth: u16) -> Result<Result<Value, Status>, WireError> {
    let (mut api_version, mut kind, mut raw, mut content_type) = (String::new(), String::new(), &[][..], String::new());
    for part in Message(unknown) {
        match part? {
            (1, Wire::Bytes(meta)) => {
                for part in Message(meta) {
                    match part? {
                        (1, Wire::Bytes(text)) => api_version = wire::text(text),
                        (2, Wire::Bytes(text)) => kind = wire::text(text),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            (4, Wire::Bytes(text)) => content_type = wire::text(text),
            _ => {}
        }
    }
    if content_type == "application/json" {
        return Ok(serde_json::from_slice(raw).map_err(|e| Status::bad_request(e.to_string())));
    }
    let (group, version) = kinds::split_api_version(&api_version);
    let Some(schema) = builtin::table().type_schema(&GroupVersionKind::new(group, version, &kind)) else {
        return Ok(Err(Status::bad_request(format!("no kind {kind:?} is registered for version {api_version:?}"))));
    };
    let mut object = Map::new();
    object.insert("kind".to_owned(), kind.into());
    object.insert("apiVersion".to_owned(), api_version.into());
    if let Shape::Object(known) = &schema.root().shape {
        fields(known, raw, &mut object, depth)?;
        settle(known, &mut object);
    }
    Ok(Ok(Value::Object(object)))
}

/// Reads a message's fields into a map.
fn fields(object: &Object, bytes: &[u8], map: &mut Map<String, Value>, depth: u16) -> Result<(), WireError> {
    if depth > DEPTH {
        return Err(WireError::TooDeep);
    }
    for part in Message(bytes) {
        let (number, wire) = part?;
        if let Some(field) = object.fields.iter().find(|f| u32::from(f.number) == number) {
            read(field.node(), &wire, map, &field.name, depth)?;
        } else if let Some(inline) = object.inlines.iter().find(|i| u32::from(i.number) == number)
            && let (Shape::Object(inner), Wire::Bytes(bytes)) = (&inline.link.node().shape, &wire)
        {
            fields(inner, bytes, map, depth + 1)?;
        }
    }
    Ok(())
}

/// Reads one occurrence of a field: lists and maps grow, everything else is set.
fn read(node: &Node, wire: &Wire<'_>, map: &mut Map<String, Value>, name: &str, depth: u16) -> Result<(), WireError> {
    match &node.shape {
        Shape::List { item, .. } => {
            let list = map.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(list) = list else { return Ok(()) };
            if let (Wire::Bytes(packed), Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Boolean)) = (wire, &item.node().shape) {
                let mut rest = *packed;
                while !rest.is_empty() {
                    let number = wire::varint(&mut rest)?;
                    list.push(value(item.node(), &Wire::Varint(number), depth)?);
                }
            } else {
                list.push(value(item.node(), wire, depth)?);
            }
        }
        Shape::Map { value: kind, .. } => {
            let Wire::Bytes(entry) = wire else { return Err(WireError::Kind) };
            let (mut key, mut held) = (String::new(), None);
            for part in Message(entry) {
                match part? {
                    (1, Wire::Bytes(text)) => key = wire::text(text),
                    (2, inner) => held = Some(map_value(kind.node(), &inner, depth)?),
                    _ => {}
                }
            }
            let target = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(target) = target {
                target.insert(key, held.unwrap_or_else(|| empty(kind.node())));
            }
        }
        Shape::Object(object) if !object.preserve => {
            let Wire::Bytes(bytes) = wire else { return Err(WireError::Kind) };
            // A message that comes in parts is one message.
            let target = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(target) = target {
                fields(object, bytes, target, depth + 1)?;
                settle(object, target);
            }
        }
        _ => {
            let read = value(node, wire, depth)?;
            map.insert(name.to_owned(), read);
        }
    }
    Ok(())
}

/// Lists as map values are wrapped into a message of their own.
fn map_value(node: &Node, wire: &Wire<'_>, depth: u16) -> Result<Value, WireError> {
    let (Shape::List { .. }, Wire::Bytes(bytes)) = (&node.shape, wire) else { return value(node, wire, depth) };
    let mut holder = Map::new();
    for part in Message(bytes) {
        if let (1, inner) = part? {
            read(node, &inner, &mut holder, "items", depth + 1)?;
        }
    }
    Ok(holder.remove("items").unwrap_or_else(|| Value::Array(Vec::new())))
}

fn empty(node: &Node) -> Value {
    match node.shape {
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) => 0.into(),
        Shape::Scalar(Scalar::Quantity) => "0".into(),
        Shape::Scalar(_) => "".into(),
        Shape::List { .. } => Value::Array(Vec::new()),
        _ => Value::Object(Map::new()),
    }
}

fn value(node: &Node, wire: &Wire<'_>, depth: u16) -> Result<Value, WireError> {
    match (&node.shape, wire) {
        (Shape::Object(object), Wire::Bytes(bytes)) if object.preserve => special::open(object, bytes, depth + 1),
        (Shape::Object(object), Wire::Bytes(bytes)) => {
            let mut map = Map::new();
            fields(object, bytes, &mut map, depth + 1)?;
            settle(object, &mut map);
            Ok(Value::Object(map))
        }
        (Shape::Scalar(scalar), wire) => scalar_value(*scalar, wire),
        _ => Err(WireError::Kind),
    }
}

fn scalar_value(scalar: Scalar, wire: &Wire<'_>) -> Result<Value, WireError> {
    Ok(match (scalar, wire) {
        (Scalar::String, Wire::Bytes(bytes)) => wire::text(bytes).into(),
        (Scalar::Bytes, Wire::Bytes(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        (Scalar::Boolean, Wire::Varint(n)) => (*n != 0).into(),
        // Narrow numbers are sent as wide ones; the low half counts.
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "that is the encoding")]
        (Scalar::Int32, Wire::Varint(n)) => (*n as i32).into(),
        #[allow(clippy::cast_possible_wrap, reason = "that is the encoding")]
        (Scalar::Int64, Wire::Varint(n)) => (*n as i64).into(),
        (Scalar::Number, Wire::Fixed64(bits)) => special::number(f64::from_bits(*bits)),
        (Scalar::IntOrString, Wire::Bytes(bytes)) => special::int_or_string(bytes)?,
        (Scalar::Quantity, Wire::Bytes(bytes)) => special::quantity(bytes)?,
        (Scalar::Time, Wire::Bytes(bytes)) => special::time(bytes, false)?,
        (Scalar::MicroTime, Wire::Bytes(bytes)) => special::time(bytes, true)?,
        (Scalar::Duration, Wire::Bytes(bytes)) => special::duration(bytes)?,
        _ => return Err(WireError::Kind),
    })
}

/// Leaves out what Go's JSON encoder would leave out, and what only says "zero".
fn settle(object: &Object, map: &mut Map<String, Value>) {
    map.retain(|name, value| {
        let Some(field) = object.field(name).filter(|f| f.number != 0 || f.via != 0) else { return true };
        match value {
            Value::Null => false,
            _ if field.flags & POINTER != 0 => true,
            Value::String(text) if field.node().scalar() == Some(Scalar::Duration) => text != "0s",
            Value::String(text) => !text.is_empty(),
            Value::Bool(truth) => *truth,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::Array(items) => !items.is_empty(),
            Value::Object(inner) => !inner.is_empty(),
        }
    });
}
