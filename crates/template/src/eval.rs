//! Runs the blocks of a template on a value.

use std::{borrow::Cow, cmp::Ordering};

use comity_core::Value;

use crate::{
    Missing, TemplateError,
    parse::{Block, Step},
};

type Found<'v> = Vec<Cow<'v, Value>>;
type Result<T> = std::result::Result<T, TemplateError>;

pub(crate) fn run<'v>(blocks: &'v [Block], value: &'v Value, missing: Missing) -> Result<Vec<Found<'v>>> {
    let mut out = Vec::new();
    run_on(blocks, &Cow::Borrowed(value), missing, &mut out)?;
    Ok(out)
}

#[allow(clippy::ptr_arg, reason = "the value may be borrowed from the template's input for longer than this call")]
fn run_on<'v>(blocks: &'v [Block], value: &Cow<'v, Value>, missing: Missing, out: &mut Vec<Found<'v>>) -> Result<()> {
    for block in blocks {
        match block {
            Block::Steps(steps) => out.push(walk(steps, vec![value.clone()], missing)?),
            Block::Range(steps, body) => {
                for item in walk(steps, vec![value.clone()], missing)? {
                    run_on(body, &item, missing, out)?;
                }
            }
        }
    }
    Ok(())
}

fn walk<'v>(steps: &'v [Step], mut values: Found<'v>, missing: Missing) -> Result<Found<'v>> {
    for step in steps {
        values = match step {
            Step::Constant(constant) => match constant {
                Value::String(_) => vec![Cow::Borrowed(constant)],
                other => values.iter().map(|_| Cow::Borrowed(other)).collect(),
            },
            Step::Field(name) => field(values, name, missing)?,
            Step::Wildcard => values.into_iter().flat_map(children).collect(),
            Step::Recursive => {
                let mut out = Vec::new();
                values.into_iter().for_each(|value| descend(value, &mut out));
                out
            }
            Step::Slice { from, to, step, single } => {
                let mut out = Vec::new();
                for value in values {
                    slice(value, (*from, *to, *step, *single), &mut out)?;
                }
                out
            }
            Step::Union(parts) => {
                let mut out = Vec::new();
                for part in parts {
                    out.extend(walk(part, values.clone(), missing)?);
                }
                out
            }
            // A path that breaks off at something else than a missing field has led somewhere: kubectl keeps such items.
            Step::Exists(path) => filter(values, |item| {
                Ok(match walk(path, vec![item.clone()], missing) {
                    Ok(found) => !found.is_empty(),
                    Err(error) => !error.0.ends_with("is not found"),
                })
            })?,
            Step::Compare(left, operator, right) => filter(values, |item| {
                let side = |steps| walk(steps, vec![item.clone()], missing);
                match (side(left)?.as_slice(), side(right)?.as_slice()) {
                    ([], _) | (_, []) => Ok(false),
                    ([left], [right]) => compare(left, operator, right),
                    _ => Err(TemplateError::new("can only compare one element at a time")),
                }
            })?,
            Step::Word(word) if word == "end" => return Err(TemplateError::new("not in range, nothing to end")),
            Step::Word(word) => return Err(TemplateError::new(format!("unrecognized identifier {word}"))),
        };
    }
    Ok(values)
}

fn field<'v>(values: Found<'v>, name: &str, missing: Missing) -> Result<Found<'v>> {
    if values.is_empty() {
        return Ok(values);
    }
    let found: Found<'v> = values
        .into_iter()
        .filter_map(|value| match value {
            Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed),
            Cow::Owned(value) => value.get(name).cloned().map(Cow::Owned),
        })
        .collect();
    if found.is_empty() && missing == Missing::Error {
        return Err(TemplateError::new(format!("{name} is not found")));
    }
    Ok(found)
}

fn children(value: Cow<'_, Value>) -> Found<'_> {
    match value {
        Cow::Borrowed(Value::Object(map)) => map.values().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Object(map)) => map.into_iter().map(|(_, value)| Cow::Owned(value)).collect(),
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        _ => Vec::new(),
    }
}

fn descend<'v>(value: Cow<'v, Value>, out: &mut Found<'v>) {
    let counts = match value.as_ref() {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => false,
    };
    if counts {
        out.push(value.clone());
        children(value).into_iter().for_each(|child| descend(child, out));
    }
}

fn slice<'v>(value: Cow<'v, Value>, bounds: (Option<i64>, Option<i64>, Option<i64>, bool), out: &mut Found<'v>) -> Result<()> {
    let length = match value.as_ref() {
        Value::Null => return Ok(()),
        Value::Array(items) => i64::try_from(items.len()).unwrap_or(i64::MAX),
        other => return Err(TemplateError::new(format!("{} is not array or slice", type_name(other)))),
    };
    let (from, to, step, single) = bounds;
    let mut first = from.unwrap_or(0);
    let mut end = if single { first.saturating_add(1) } else { to.unwrap_or(length) };
    if first < 0 {
        first += length;
    }
    if end < 0 || (end == 0 && single) {
        end += length;
    }
    if first == end {
        return Ok(());
    }
    let out_of_bounds = |index: i64| Err(TemplateError::new(format!("array index out of bounds: index {index}, length {length}")));
    if first >= length || first < 0 {
        return out_of_bounds(first);
    }
    if end > length || end < 0 {
        return out_of_bounds(end - 1);
    }
    if first > end {
        return Err(TemplateError::new(format!("starting index {first} is greater than ending index {end}")));
    }
    let step = step.unwrap_or(1);
    if step <= 0 {
        return Err(TemplateError::new("step must be > 0"));
    }
    let index = |number: i64| usize::try_from(number).unwrap_or(0);
    out.extend(children(value).into_iter().skip(index(first)).take(index(end - first)).step_by(index(step)));
    Ok(())
}

fn filter<'v>(values: Found<'v>, mut keeps: impl FnMut(&Cow<'v, Value>) -> Result<bool>) -> Result<Found<'v>> {
    let mut out = Vec::new();
    for value in values {
        if !value.is_array() {
            return Err(TemplateError::new(format!("{} is not array or slice and cannot be filtered", crate::text(&value))));
        }
        for item in children(value) {
            if keeps(&item)? {
                out.push(item);
            }
        }
    }
    Ok(out)
}

fn compare(left: &Value, operator: &str, right: &Value) -> Result<bool> {
    let order = match (left, right) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) if matches!(operator, "==" | "!=") => a.cmp(b),
        (Value::Number(a), Value::Number(b)) if a.is_f64() == b.is_f64() => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        },
        (Value::Number(_) | Value::String(_) | Value::Bool(_), Value::Number(_) | Value::String(_) | Value::Bool(_))
            if !(left.is_boolean() && right.is_boolean()) =>
        {
            return Err(TemplateError::new("incompatible types for comparison"));
        }
        _ => return Err(TemplateError::new("invalid type for comparison")),
    };
    Ok(match operator {
        "<" => order.is_lt(),
        ">" => order.is_gt(),
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        other => return Err(TemplateError::new(format!("unrecognized filter operator {other}"))),
    })
}

/// The name that Go gives the type of a decoded value.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
