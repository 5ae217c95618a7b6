//! Collecting field errors, and checks that many kinds share.

use comity_core::{FieldError, LabelSelector, Map, Value, names, quantity::Quantity};

const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

/// Errors found so far.
#[derive(Default)]
pub(super) struct Report {
    pub(super) errors: Vec<FieldError>,
}

/// A text field, empty when absent.
pub(super) fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A list field's items.
pub(super) fn items<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a field is there and no null.
pub(super) fn has(v: &Value, key: &str) -> bool {
    v.get(key).is_some_and(|v| !v.is_null())
}

/// A field that may be absent, as it is printed.
pub(super) fn shown(v: &Value, key: &str) -> Value {
    v.get(key).cloned().unwrap_or_default()
}

/// Equality in which an absent field, null and an empty list or object are the same.
pub(super) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let empty = |v: Option<&Value>| match v {
        None | Some(Value::Null) => true,
        Some(Value::Array(a)) => a.is_empty(),
        Some(Value::Object(m)) => m.is_empty(),
        Some(_) => false,
    };
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.iter().all(|(k, v)| same(Some(v), b.get(k))) && b.iter().all(|(k, v)| a.contains_key(k) || same(None, Some(v)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b))),
        (a, b) => a == b || (empty(a) && empty(b)),
    }
}

impl Report {
    pub(super) fn required(&mut self, path: impl Into<String>, why: &str) {
        self.errors.push(FieldError::required(path, why));
    }

    pub(super) fn invalid(&mut self, path: impl Into<String>, value: &Value, why: &str) {
        self.errors.push(FieldError::invalid(path, value, why));
    }

    pub(super) fn forbidden(&mut self, path: impl Into<String>, why: &str) {
        self.errors.push(FieldError::forbidden(path, why));
    }

    /// One error per rule that a name breaks.
    pub(super) fn broken(&mut self, path: &str, value: &str, rules: Vec<String>) {
        self.errors.extend(rules.into_iter().map(|why| FieldError::invalid(path, &value.into(), &why)));
    }

    /// A text that must be one of a few.
    pub(super) fn one_of(&mut self, path: impl Into<String>, value: &str, supported: &[&str]) {
        if value.is_empty() {
            self.errors.push(FieldError::required(path, ""));
        } else if !supported.contains(&value) {
            self.errors.push(FieldError::not_supported(path, &value.into(), supported));
        }
    }

    /// A text that may be absent.
    pub(super) fn optional_one_of(&mut self, path: impl Into<String>, value: &str, supported: &[&str]) {
        if !value.is_empty() && !supported.contains(&value) {
            self.errors.push(FieldError::not_supported(path, &value.into(), supported));
        }
    }

    pub(super) fn nonnegative(&mut self, v: &Value, path: &str, key: &str) {
        if let Some(number) = v.get(key).and_then(Value::as_i64).filter(|n| *n < 0) {
            self.invalid(format!("{path}.{key}"), &number.into(), "must be greater than or equal to 0");
        }
    }

    pub(super) fn immutable(&mut self, v: &Value, old: &Value, parent: &str, key: &str) {
        if !same(v.get(key), old.get(key)) {
            let path = if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") };
            self.invalid(path, &shown(v, key), "field is immutable");
        }
    }

    pub(super) fn port(&mut self, path: impl Into<String>, number: i64) {
        if !(1..=65535).contains(&number) {
            self.invalid(path, &number.into(), "must be between 1 and 65535, inclusive");
        }
    }

    /// A port by number or by name.
    pub(super) fn port_or_name(&mut self, path: &str, v: Option<&Value>) {
        match v {
            Some(Value::String(name)) => self.broken(path, name, port_name(name)),
            other => self.port(path, other.and_then(Value::as_i64).unwrap_or(0)),
        }
    }

    /// A number or a percentage, not negative.
    pub(super) fn int_or_percent(&mut self, path: &str, v: Option<&Value>) {
        match v {
            Some(Value::String(text)) => {
                let digits = text.strip_suffix('%');
                if !digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit())) {
                    self.invalid(path, &text.as_str().into(), PERCENT);
                }
            }
            Some(v) if v.as_i64().is_some_and(|n| n < 0) => self.invalid(path, v, "must be greater than or equal to 0"),
            _ => {}
        }
    }

    pub(super) fn at_most_all(&mut self, path: &str, v: Option<&Value>) {
        let percent = v.and_then(Value::as_str).and_then(|t| t.strip_suffix('%')).and_then(|d| d.parse::<u64>().ok());
        if let (Some(v), Some(percent)) = (v, percent)
            && percent > 100
        {
            self.invalid(path, v, "must not be greater than 100%");
        }
    }

    pub(super) fn labels(&mut self, labels: Option<&Map<String, Value>>, path: &str) {
        super::metadata::labels(labels, path, &mut self.errors);
    }

    pub(super) fn annotations(&mut self, annotations: Option<&Map<String, Value>>, path: &str) {
        super::metadata::annotations(annotations, path, &mut self.errors);
    }

    /// A label selector's parts.
    pub(super) fn selector(&mut self, selector: Option<&Value>, path: &str) {
        let Some(selector) = selector.filter(|s| s.is_object()) else { return };
        self.labels(selector.get("matchLabels").and_then(Value::as_object), &format!("{path}.matchLabels"));
        for (index, expression) in items(selector, "matchExpressions").iter().enumerate() {
            let at = format!("{path}.matchExpressions[{index}]");
            let values = items(expression, "values");
            match text(expression, "operator") {
                "In" | "NotIn" if values.is_empty() => {
                    self.required(format!("{at}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
                }
                "Exists" | "DoesNotExist" if !values.is_empty() => {
                    self.forbidden(format!("{at}.values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
                }
                "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
                other => self.invalid(format!("{at}.operator"), &other.into(), "not a valid selector operator"),
            }
            let key = text(expression, "key");
            self.broken(&format!("{at}.key"), key, names::qualified_name(key));
            for (index, value) in values.iter().enumerate() {
                let value = value.as_str().unwrap_or_default();
                self.broken(&format!("{at}.values[{index}]"), value, names::label_value(value));
            }
        }
    }

    /// Amounts must not be negative.
    pub(super) fn quantity(&mut self, path: &str, amount: &Value) -> Option<Quantity> {
        let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
        let quantity = Quantity::parse(&text)?;
        if quantity < Quantity::ZERO {
            self.invalid(path, &quantity.canonical().into(), "must be greater than or equal to 0");
        }
        Some(quantity)
    }
}

/// What a selector does with a template's labels: `None` when it cannot be read.
pub(super) fn matches(selector: Option<&Value>, labels: Option<&Map<String, Value>>) -> Option<bool> {
    match selector.filter(|s| s.is_object()) {
        None => Some(false),
        Some(selector) => LabelSelector::from_object(selector).ok().map(|s| s.matches(labels)),
    }
}

/// What is wrong with a port's name.
pub(super) fn port_name(name: &str) -> Vec<String> {
    let bytes = name.as_bytes();
    let mut wrong = Vec::new();
    if name.len() > 15 {
        wrong.push("must be no more than 15 characters");
    }
    if !bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-') || name.is_empty() {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !bytes.iter().any(u8::is_ascii_lowercase) {
        wrong.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        wrong.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        wrong.push("must not begin or end with a hyphen");
    }
    wrong.into_iter().map(str::to_owned).collect()
}
