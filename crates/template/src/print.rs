//! Values as kubectl prints them.

use comity_core::Value;

/// Text of a value: scalars plain, maps and lists as JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number_text(number),
        Value::Array(_) | Value::Object(_) => json_text(value),
        scalar => scalar.to_string(),
    }
}

/// Compact JSON with sorted keys and escaped HTML characters.
pub fn json_text(value: &Value) -> String {
    let mut out = String::new();
    write_json(value, &mut out);
    out
}

fn write_json(value: &Value, out: &mut String) {
    let list = |out: &mut String, open: char, close: char, count: usize, item: &mut dyn FnMut(usize, &mut String)| {
        out.push(open);
        for at in 0..count {
            if at > 0 {
                out.push(',');
            }
            item(at, out);
        }
        out.push(close);
    };
    match value {
        Value::Array(items) => list(out, '[', ']', items.len(), &mut |at, out| write_json(&items[at], out)),
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            list(out, '{', '}', fields.len(), &mut |at, out| {
                write_string(fields[at].0, out);
                out.push(':');
                write_json(fields[at].1, out);
            });
        }
        Value::String(text) => write_string(text, out),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_string(text: &str, out: &mut String) {
    for c in Value::String(text.to_owned()).to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// A number as Go's `%v` prints it: exponents from 1e21 on and below 1e-4.
fn number_text(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{float:e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) => {
                let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
                format!("{mantissa}e{sign}{digits:0>2}")
            }
            None => text,
        };
    }
    format!("{float}")
}
