//! Cells of custom kinds: the values that `additionalPrinterColumns` point at.

use comity_core::{Value, object};
use comity_schema::Column;
use comity_template::{JsonPath, text};

use super::cells::{At, Cells};

/// The name, then what the columns' paths lead to.
pub(super) fn cells(columns: &[Column], paths: &[String], object: &Value, at: At) -> Cells {
    let name = Value::from(object::name(object));
    let others = columns.iter().zip(paths).skip(1).map(|(column, path)| cell(&column.kind, path, object, at));
    std::iter::once(name).chain(others).collect()
}

fn cell(kind: &str, path: &str, object: &Value, at: At) -> Value {
    let Ok(path) = JsonPath::path(path) else { return Value::Null };
    let Some(value) = path.first(object) else { return Value::Null };
    match (kind, value.as_ref()) {
        ("string", Value::Null) => "<no value>".into(),
        ("string", value) => text(value).into(),
        ("integer", Value::Number(number)) => number.as_i64().map_or_else(|| truncated(number.as_f64()), Value::from),
        ("number", Value::Number(number)) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => truncated(number.as_f64()),
        ("number", Value::Number(number)) => number.clone().into(),
        ("boolean", Value::Bool(flag)) => (*flag).into(),
        ("date", Value::String(moment)) => match moment.as_str() {
            "" => "<unknown>".into(),
            moment if comity_core::time::parse(moment).is_none() => "<invalid>".into(),
            moment => at.since(moment).into(),
        },
        _ => Value::Null,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the fraction is what is to be cut off")]
fn truncated(number: Option<f64>) -> Value {
    number.map(|number| Value::from(number as i64)).unwrap_or_default()
}
