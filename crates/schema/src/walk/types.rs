//! Wrong JSON types, with the texts of the API's decoder (Go's `encoding/json`).

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use comity_core::{Value, duration, quantity::Quantity, time};

use crate::{
    builtin,
    node::{Field, Node, Object, Scalar, Shape},
    schema::Schema,
};

const QUANTITY: &str = r"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

pub(crate) fn check_types(schema: &Schema, v: &Value) -> Result<(), String> {
    if schema.is_custom() {
        return metadata(v).and_then(|()| embedded(schema.root(), v, ""));
    }
    let mut decoder = Decoder::default();
    let hard = decoder.decode(schema.root(), v, Context::default(), None).err();
    hard.or(decoder.saved).map_or(Ok(()), Err)
}

/// The typed part of a whole object of a custom kind.
fn metadata(v: &Value) -> Result<(), String> {
    let Some(metadata) = v.get("metadata") else { return Ok(()) };
    let mut decoder = Decoder::default();
    let hard = match metadata {
        Value::Object(_) | Value::Null => decoder.decode(builtin::table().metadata().node(), metadata, Context::default(), None).err(),
        other => Some(format!("json: cannot unmarshal {} into Go value of type v1.ObjectMeta", word(other))),
    };
    hard.or(decoder.saved).map_or(Ok(()), Err)
}

/// The metadata of objects embedded in a custom object.
fn embedded(node: &Node, v: &Value, path: &str) -> Result<(), String> {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            if object.embedded && !path.is_empty() {
                for name in ["apiVersion", "kind"] {
                    if let Some(value) = map.get(name).filter(|v| !v.is_string()) {
                        return Err(format!("{path}.{name}: Invalid value: {value}: must be a string"));
                    }
                }
                let shown = map.get("metadata").unwrap_or(&Value::Null);
                metadata(v).map_err(|why| format!("{path}.metadata: Invalid value: {shown}: {why}"))?;
            }
            let dot = if path.is_empty() { "" } else { "." };
            let inner = map.iter().filter(|(name, _)| !(object.embedded && *name == "metadata"));
            inner
                .filter_map(|(name, value)| Some((object.field(name)?, value)))
                .try_for_each(|(field, value)| embedded(field.node(), value, &format!("{path}{dot}{}", field.name)))
        }
        (Shape::Map { value: kind, .. }, Value::Object(map)) => {
            map.iter().try_for_each(|(name, value)| embedded(kind.node(), value, &format!("{path}[{name}]")))
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            items.iter().enumerate().try_for_each(|(index, value)| embedded(item.node(), value, &format!("{path}[{index}]")))
        }
        _ => Ok(()),
    }
}

/// Where the decoder is: the struct it fills and the fields on the way, as Go's decoder keeps them.
#[derive(Clone, Copy, Default)]
struct Context<'a> {
    parent: Option<&'a Context<'a>>,
    structure: &'a str,
    /// Go's name of an inlined struct, then the field.
    inline: &'a str,
    field: &'a str,
}

impl Context<'_> {
    fn path(&self) -> String {
        let mut path = self.parent.map(Context::path).unwrap_or_default();
        for part in [self.inline, self.field] {
            if !part.is_empty() {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(part);
            }
        }
        path
    }
}

/// Mistakes of type are remembered (the first counts) while decoding goes on; a type's own decoder fails at once.
#[derive(Default)]
struct Decoder {
    saved: Option<String>,
}

impl Decoder {
    fn save(&mut self, what: &str, context: Context<'_>, kind: &str) {
        self.saved.get_or_insert_with(|| mismatch(what, context, kind));
    }

    fn decode(&mut self, node: &Node, v: &Value, context: Context<'_>, field: Option<&Field>) -> Result<(), String> {
        if v.is_null() {
            return Ok(());
        }
        match (&node.shape, v) {
            (Shape::Any, _) => Ok(()),
            (Shape::Object(object), _) if object.preserve => Ok(()),
            (Shape::Object(object), Value::Object(map)) => {
                let structure = structure(object);
                for (name, value) in map {
                    if let Some(field) = object.field(name) {
                        let inline = match field.via {
                            0 => "",
                            at => object.inlines.get(usize::from(at) - 1).map_or("", |i| &*i.go),
                        };
                        let inner = Context { parent: Some(&context), structure, inline, field: &field.name };
                        self.decode(field.node(), value, inner, Some(field))?;
                    }
                }
                Ok(())
            }
            (Shape::Map { value: kind, .. }, Value::Object(map)) => {
                map.values().try_for_each(|value| self.decode(kind.node(), value, context, None))
            }
            (Shape::List { item, .. }, Value::Array(items)) => {
                items.iter().try_for_each(|value| self.decode(item.node(), value, context, None))
            }
            (Shape::Scalar(scalar), _) => self.scalar(*scalar, v, context, field),
            _ => {
                self.save(&word(v), context, &type_name(node, field));
                Ok(())
            }
        }
    }

    fn scalar(&mut self, scalar: Scalar, v: &Value, context: Context<'_>, field: Option<&Field>) -> Result<(), String> {
        match (scalar, v) {
            (Scalar::String, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) | (Scalar::Number, Value::Number(_)) => Ok(()),
            (Scalar::Int32 | Scalar::Int64, Value::Number(n)) => {
                if !fits(scalar, n) {
                    self.save(&format!("number {n}"), context, &scalar_name(scalar, field));
                }
                Ok(())
            }
            (Scalar::Bytes, Value::String(text)) => {
                if let Some(at) = base64_error(text) {
                    self.saved.get_or_insert_with(|| format!("illegal base64 data at input byte {at}"));
                }
                Ok(())
            }
            (Scalar::IntOrString, Value::String(_)) => Ok(()),
            (Scalar::IntOrString, Value::Number(n)) if fits(Scalar::Int32, n) => Ok(()),
            (Scalar::IntOrString, Value::Number(n)) => Err(mismatch(&format!("number {n}"), context, "int32")),
            (Scalar::IntOrString, _) => Err(mismatch(&word(v), context, "int32")),
            (Scalar::Quantity, Value::String(text)) if Quantity::parse(text).is_some() => Ok(()),
            (Scalar::Quantity, Value::Number(n)) if Quantity::parse(&n.to_string()).is_some() => Ok(()),
            (Scalar::Quantity, Value::String(text)) if has_quantity_form(text) => Err("unable to parse quantity's suffix".to_owned()),
            (Scalar::Quantity, _) => Err(QUANTITY.to_owned()),
            (Scalar::Time, Value::String(text)) => go_time(text, false),
            (Scalar::MicroTime, Value::String(text)) => go_time(text, true),
            (Scalar::Duration, Value::String(text)) => match go_duration(text) {
                Some(_) => Ok(()),
                None => Err(format!("time: invalid duration {text:?}")),
            },
            (Scalar::Time | Scalar::MicroTime | Scalar::Duration, _) => Err(mismatch(&word(v), context, "string")),
            _ => {
                self.save(&word(v), context, &scalar_name(scalar, field));
                Ok(())
            }
        }
    }
}

fn mismatch(what: &str, context: Context<'_>, kind: &str) -> String {
    let path = context.path();
    if path.is_empty() {
        return format!("json: cannot unmarshal {what} into Go value of type {kind}");
    }
    format!("json: cannot unmarshal {what} into Go struct field {}.{path} of type {kind}", context.structure)
}

fn word(v: &Value) -> String {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
    .to_owned()
}

fn structure(object: &Object) -> &str {
    object.name.as_deref().and_then(|n| n.rsplit('.').next()).unwrap_or_default()
}

fn fits(scalar: Scalar, n: &serde_json::Number) -> bool {
    n.as_i64().is_some_and(|i| scalar == Scalar::Int64 || i32::try_from(i).is_ok())
}

/// Go's name of a type, as it stands in messages.
fn type_name(node: &Node, field: Option<&Field>) -> String {
    if let Some(known) = field.and_then(|f| f.extra.as_ref()).and_then(|e| e.go.as_deref()) {
        return known.to_owned();
    }
    match &node.shape {
        Shape::Any => "interface {}".to_owned(),
        Shape::Scalar(scalar) => scalar_name(*scalar, None),
        Shape::Object(object) => short(object.name.as_deref().unwrap_or_default()),
        Shape::Map { value, .. } => format!("map[string]{}", type_name(value.node(), None)),
        Shape::List { item, .. } => format!("[]{}", type_name(item.node(), None)),
    }
}

fn scalar_name(scalar: Scalar, field: Option<&Field>) -> String {
    if let Some(known) = field.and_then(|f| f.extra.as_ref()).and_then(|e| e.go.as_deref()) {
        return known.to_owned();
    }
    match scalar {
        Scalar::String => "string",
        Scalar::Bytes => "[]uint8",
        Scalar::Boolean => "bool",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::Number => "float64",
        Scalar::IntOrString => "intstr.IntOrString",
        Scalar::Quantity => "resource.Quantity",
        Scalar::Time => "v1.Time",
        Scalar::MicroTime => "v1.MicroTime",
        Scalar::Duration => "v1.Duration",
    }
    .to_owned()
}

/// `io.k8s.api.core.v1.Container` is `v1.Container` in Go's messages.
fn short(definition: &str) -> String {
    let mut parts = definition.rsplitn(3, '.');
    match (parts.next(), parts.next()) {
        (Some(name), Some(package)) => format!("{package}.{name}"),
        _ => definition.to_owned(),
    }
}

/// The Go type that a shape code stands for; fields that differ carry their own.
pub(crate) fn go_name(shape: &str, reference: &str) -> String {
    if let Some(item) = shape.strip_prefix('L') {
        return format!("[]{}", go_name(item, reference));
    }
    if let Some(value) = shape.strip_prefix('M') {
        return format!("map[string]{}", go_name(value, reference));
    }
    match shape {
        "bytes" => "[]uint8".to_owned(),
        "ref" => short(reference),
        other => other.to_owned(),
    }
}

/// Base64 as Go reads it: padded, left-over bits ignored.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The bytes of a base64 text.
pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if text.contains(['\r', '\n']) {
        return BASE64.decode(text.replace(['\r', '\n'], "")).ok();
    }
    BASE64.decode(text).ok()
}

/// Position of the first wrong character of a base64 text, as Go's decoder counts.
fn base64_error(text: &str) -> Option<usize> {
    if bytes_of(text).is_some() {
        return None;
    }
    let symbol = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'\r' | b'\n');
    let bytes = text.as_bytes();
    Some(match bytes.iter().position(|b| !symbol(*b)) {
        // Padding is right only at the end of a group of four; Go then complains about what follows.
        Some(at) if bytes[at] == b'=' && at % 4 == 3 => at + 1,
        Some(at) if bytes[at] == b'=' && at % 4 == 2 => match bytes.get(at + 1) {
            Some(b'=') => at + 2,
            Some(_) => at,
            None => bytes.len(),
        },
        Some(at) => at,
        // The last group is short: Go names its start.
        None => bytes.len() - bytes.len() % 4,
    })
}

fn has_quantity_form(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']).find(|c: char| !c.is_ascii_digit() && c != '.');
    let Some(at) = digits.filter(|at| *at > 0) else { return false };
    let rest = &text.trim_start_matches(['+', '-'])[at..];
    rest.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['+', '-']).chars().all(|c| "eEinumkKMGTP".contains(c))
}

/// Go's complaint about a time, for the layout that Go would name; a `MicroTime` has six digits after the second.
fn go_time(text: &str, micro: bool) -> Result<(), String> {
    let layout = if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    if text.is_empty() && !micro {
        return Ok(());
    }
    let wrong = |rest: &str, part: &str| Err(format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (mut rest, mut numbers) = (text, Vec::new());
    for (part, width) in
        [("2006", 4), ("-", 1), ("01", 2), ("-", 1), ("02", 2), ("T", 1), ("15", 2), (":", 1), ("04", 2), (":", 1), ("05", 2)]
    {
        let Some(taken) = rest.get(..width).filter(|t| if width == 1 { *t == part } else { digits(t) }) else { return wrong(rest, part) };
        if width > 1 {
            numbers.push(taken.parse::<u32>().unwrap_or_default());
        }
        rest = &rest[width..];
    }
    if micro {
        match rest.get(..7).filter(|f| f.starts_with('.') && digits(&f[1..])) {
            Some(_) => rest = &rest[7..],
            None => return wrong(rest, ".000000"),
        }
    } else if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        rest = if end == 0 { rest } else { &fraction[end..] };
    }
    let offset = |t: &str| t.len() == 6 && t.starts_with(['+', '-']) && digits(&t[1..3]) && &t[3..4] == ":" && digits(&t[4..]);
    if rest != "Z" && !(rest.is_ascii() && offset(rest)) {
        return wrong(rest, "Z07:00");
    }
    let names = ["", "month", "day", "hour", "minute", "second"];
    let bounds = [(0, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 59)];
    for (index, number) in numbers.iter().enumerate() {
        if !(bounds[index].0..=bounds[index].1).contains(number) {
            return Err(format!("parsing time {text:?}: {} out of range", names[index]));
        }
    }
    // What is left are days that the month does not have.
    if time::parse(text).is_none() { Err(format!("parsing time {text:?}: day out of range")) } else { Ok(()) }
}

/// Go's canonical form of a duration, such as `1h0m0s`.
pub(crate) fn go_duration(text: &str) -> Option<String> {
    let (negative, plain) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let total = duration::parse_go(plain)?;
    let nanos = total.as_nanos();
    let sign = if negative && nanos > 0 { "-" } else { "" };
    if nanos == 0 {
        return Some("0s".to_owned());
    }
    let with_fraction = |value: u128, unit: u128, name: &str| {
        let fraction = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() || unit == 1 { String::new() } else { format!(".{fraction}") };
        format!("{}{dot}{name}", value / unit)
    };
    Some(match nanos {
        n if n < 1_000 => format!("{sign}{n}ns"),
        n if n < 1_000_000 => format!("{sign}{}", with_fraction(n, 1_000, "µs")),
        n if n < 1_000_000_000 => format!("{sign}{}", with_fraction(n, 1_000_000, "ms")),
        n => {
            let seconds = n / 1_000_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let small = with_fraction(n % 60_000_000_000, 1_000_000_000, "s");
            match (hours, minutes) {
                (0, 0) => format!("{sign}{small}"),
                (0, m) => format!("{sign}{m}m{small}"),
                (h, m) => format!("{sign}{h}h{m}m{small}"),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_go_form() {
        for (text, form) in [("1h", "1h0m0s"), ("90s", "1m30s"), ("1500ms", "1.5s"), ("0", "0s"), ("1us", "1µs"), ("-5m", "-5m0s")] {
            assert_eq!(go_duration(text).as_deref(), Some(form), "{text}");
        }
        assert_eq!(go_duration("x"), None);
    }
}
