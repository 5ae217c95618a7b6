//! Messages whose JSON form is not an object with the same fields.

use comity_core::{Map, Value, time as api_time};
use jiff::Timestamp;

use super::{
    MAGIC, fields, settle, whole,
    wire::{self, Message, Wire, WireError},
};
use crate::{
    node::{Object, Shape},
    walk::go_duration,
};

pub(super) fn int_or_string(bytes: &[u8]) -> Result<Value, WireError> {
    let (mut is_text, mut number, mut text) = (false, 0_i32, String::new());
    for part in Message(bytes) {
        match part? {
            (1, Wire::Varint(kind)) => is_text = kind == 1,
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "that is the encoding")]
            (2, Wire::Varint(n)) => number = n as i32,
            (3, Wire::Bytes(bytes)) => text = wire::text(bytes),
            _ => {}
        }
    }
    Ok(if is_text { text.into() } else { number.into() })
}

pub(super) fn quantity(bytes: &[u8]) -> Result<Value, WireError> {
    let mut text = "0".to_owned();
    for part in Message(bytes) {
        if let (1, Wire::Bytes(bytes)) = part? {
            text = wire::text(bytes);
        }
    }
    Ok(text.into())
}

/// Times; an empty message is no time at all.
pub(super) fn time(bytes: &[u8], micro: bool) -> Result<Value, WireError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    for part in Message(bytes) {
        match part? {
            #[allow(clippy::cast_possible_wrap, reason = "that is the encoding")]
            (1, Wire::Varint(n)) => seconds = n as i64,
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "that is the encoding")]
            (2, Wire::Varint(n)) => nanos = n as i32,
            _ => {}
        }
    }
    if seconds == 0 && nanos == 0 {
        return Ok(Value::Null);
    }
    let time = Timestamp::new(seconds, nanos).map_err(|_| WireError::Number)?;
    Ok(if micro { api_time::rfc3339_micro(time) } else { api_time::rfc3339(time) }.into())
}

pub(super) fn duration(bytes: &[u8]) -> Result<Value, WireError> {
    let mut nanos = 0_i64;
    for part in Message(bytes) {
        #[allow(clippy::cast_possible_wrap, reason = "that is the encoding")]
        if let (1, Wire::Varint(n)) = part? {
            nanos = n as i64;
        }
    }
    Ok(go_duration(&format!("{nanos}ns")).unwrap_or_else(|| "0s".to_owned()).into())
}

/// A whole number stays one in JSON.
pub(super) fn number(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "checked to be exact")]
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return (value as i64).into();
    }
    value.into()
}

/// Types that hold any JSON, or a schema or something simpler.
pub(super) fn open(object: &Object, bytes: &[u8], depth: u16) -> Result<Value, WireError> {
    let name = object.name.as_deref().and_then(|n| n.rsplit('.').next()).unwrap_or_default();
    let (mut schema, mut list, mut truth) = (None, None, false);
    for part in Message(bytes) {
        match (name, part?) {
            ("RawExtension" | "FieldsV1" | "JSON", (1, Wire::Bytes(raw))) => return any(raw, depth),
            ("JSONSchemaPropsOrBool", (1, Wire::Varint(n))) => truth = n != 0,
            ("JSONSchemaPropsOrBool", (2, Wire::Bytes(raw)))
            | ("JSONSchemaPropsOrArray" | "JSONSchemaPropsOrStringArray", (1, Wire::Bytes(raw))) => {
                schema = Some(schema_of(object, raw, depth)?);
            }
            ("JSONSchemaPropsOrArray", (2, Wire::Bytes(raw))) => {
                list.get_or_insert_with(Vec::new).push(schema_of(object, raw, depth)?);
            }
            ("JSONSchemaPropsOrStringArray", (2, Wire::Bytes(raw))) => list.get_or_insert_with(Vec::new).push(wire::text(raw).into()),
            _ => {}
        }
    }
    Ok(match (name, schema, list) {
        (_, Some(schema), _) => schema,
        (_, None, Some(list)) => Value::Array(list),
        ("JSONSchemaPropsOrBool", None, None) => truth.into(),
        _ => Value::Null,
    })
}

fn schema_of(object: &Object, raw: &[u8], depth: u16) -> Result<Value, WireError> {
    let name = object.name.as_deref().unwrap_or_default();
    let definition = format!("{}JSONSchemaProps", name.rsplit_once('.').map_or("", |(package, _)| &name[..=package.len()]));
    let mut map = Map::new();
    if let Some(Shape::Object(props)) = crate::builtin::table().type_named(&definition).map(|n| &n.shape) {
        fields(props, raw, &mut map, depth)?;
        settle(props, &mut map);
    }
    Ok(Value::Object(map))
}

/// JSON text, or a whole object in protobuf.
fn any(raw: &[u8], depth: u16) -> Result<Value, WireError> {
    match raw.strip_prefix(MAGIC) {
        Some(unknown) if depth < super::DEPTH => whole(unknown, depth + 1).map(Result::unwrap_or_default),
        Some(_) => Err(WireError::TooDeep),
        None => Ok(serde_json::from_slice(raw).unwrap_or(Value::Null)),
    }
}
