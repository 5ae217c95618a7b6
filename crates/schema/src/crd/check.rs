//! Value validation of custom kinds: the subset of JSON Schema that definitions may use, with the API's texts.

use std::sync::{Arc, OnceLock};

use comity_core::{Cause, FieldError, Map, Value};
use regex::Regex;

use super::{
    compile::{text, truth},
    format,
};

/// The value rules of one node of a schema.
#[derive(Debug, Default)]
pub(crate) struct Check {
    types: Vec<Box<str>>,
    nullable: bool,
    format: Box<str>,
    enumeration: Vec<Value>,
    maximum: Option<f64>,
    minimum: Option<f64>,
    exclusive_maximum: bool,
    exclusive_minimum: bool,
    multiple_of: Option<f64>,
    max_length: Option<u64>,
    min_length: Option<u64>,
    pattern: Option<Pattern>,
    max_items: Option<u64>,
    min_items: Option<u64>,
    unique_items: bool,
    max_properties: Option<u64>,
    min_properties: Option<u64>,
    required: Vec<Arc<str>>,
    all_of: Vec<Check>,
    any_of: Vec<Check>,
    one_of: Vec<Check>,
    not: Option<Box<Check>>,
    properties: Vec<(Arc<str>, Check)>,
    additional: Option<Box<Check>>,
    closed: bool,
    items: Option<Box<Check>>,
    list_keys: Vec<Arc<str>>,
}

/// A pattern, compiled when it is first needed.
#[derive(Debug)]
struct Pattern {
    text: Box<str>,
    compiled: OnceLock<Option<Regex>>,
}

/// Errors, and how many checks passed: alternatives that come closest explain a failed `anyOf`.
#[derive(Default)]
struct Outcome {
    errors: Vec<FieldError>,
    matches: usize,
}

impl Outcome {
    fn merge(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.matches += other.matches;
    }
}

impl Check {
    pub(crate) fn compile(schema: &Map<String, Value>) -> Self {
        let number = |key: &str| schema.get(key).and_then(Value::as_f64);
        let count = |key: &str| schema.get(key).and_then(Value::as_u64);
        let list = |key: &str| schema.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let nested = |key: &str| schema.get(key).and_then(Value::as_object).map(|s| Box::new(Self::compile(s)));
        let all = |key: &str| list(key).iter().filter_map(Value::as_object).map(Self::compile).collect();
        let types: Vec<Box<str>> = if truth(schema, "x-kubernetes-int-or-string") {
            vec!["integer".into(), "string".into()]
        } else {
            Some(text(schema, "type")).filter(|t| !t.is_empty()).map(Into::into).into_iter().collect()
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        Self {
            types,
            nullable: truth(schema, "nullable"),
            format: if format::is_known(text(schema, "format")) { text(schema, "format").into() } else { Box::default() },
            enumeration: list("enum").to_vec(),
            maximum: number("maximum"),
            minimum: number("minimum"),
            exclusive_maximum: truth(schema, "exclusiveMaximum"),
            exclusive_minimum: truth(schema, "exclusiveMinimum"),
            multiple_of: number("multipleOf"),
            max_length: count("maxLength"),
            min_length: count("minLength"),
            pattern: Some(text(schema, "pattern")).filter(|p| !p.is_empty()).map(|p| Pattern { text: p.into(), compiled: OnceLock::new() }),
            max_items: count("maxItems"),
            min_items: count("minItems"),
            unique_items: truth(schema, "uniqueItems"),
            max_properties: count("maxProperties"),
            min_properties: count("minProperties"),
            required: list("required").iter().filter_map(Value::as_str).map(Arc::from).collect(),
            all_of: all("allOf"),
            any_of: all("anyOf"),
            one_of: all("oneOf"),
            not: nested("not"),
            properties: properties
                .into_iter()
                .flatten()
                .filter_map(|(name, s)| Some((Arc::from(name.as_str()), Self::compile(s.as_object()?))))
                .collect(),
            additional: nested("additionalProperties"),
            closed: schema.get("additionalProperties") == Some(&Value::Bool(false)),
            items: nested("items"),
            list_keys: if text(schema, "x-kubernetes-list-type") == "map" {
                list("x-kubernetes-list-map-keys").iter().filter_map(Value::as_str).map(Arc::from).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// All problems of a value; parts that equal their old state pass.
    pub(crate) fn errors(&self, v: &Value, old: Option<&Value>) -> Vec<FieldError> {
        self.check(v, old, "").errors
    }

    fn check(&self, v: &Value, old: Option<&Value>, path: &str) -> Outcome {
        let mut out = Outcome::default();
        if old == Some(v) {
            return out;
        }
        if v.is_null() {
            self.check_type(v, path, &mut out);
            self.check_enum(v, path, &mut out);
            return out;
        }
        if !self.types.is_empty() || !self.format.is_empty() {
            self.check_type(v, path, &mut out);
            out.matches += 1;
        }
        self.check_junctors(v, old, path, &mut out);
        match v {
            Value::String(text) => self.check_string(text, path, &mut out),
            Value::Number(n) => self.check_number(n, path, &mut out),
            Value::Array(items) => self.check_list(items, old, path, &mut out),
            _ => {}
        }
        self.check_enum(v, path, &mut out);
        if let Value::Object(map) = v {
            self.check_object(map, old, path, &mut out);
        }
        out.matches += 2;
        out
    }

    fn check_type(&self, v: &Value, path: &str, out: &mut Outcome) {
        let has = |t: &str| self.types.iter().any(|own| &**own == t);
        if v.is_null() {
            if !self.types.is_empty() && !self.nullable {
                out.errors.push(wrong_type(path, &self.types.join(","), "null"));
            }
            return;
        }
        let (kind, kind_format) = match v {
            Value::Bool(_) => ("boolean", ""),
            Value::String(_) => ("string", ""),
            Value::Number(n) if n.is_f64() => ("number", "float64"),
            Value::Number(_) => ("integer", "int64"),
            Value::Array(_) => ("array", ""),
            _ => ("object", ""),
        };
        let whole = v.as_f64().is_some_and(|f| f.fract() == 0.0);
        let fits = has(kind) || (kind == "number" && whole && has("integer")) || (kind == "integer" && has("number"));
        let text_like = matches!(v, Value::String(_) | Value::Array(_));
        if !text_like && !self.format.is_empty() && !fits && kind_format != &*self.format {
            out.errors.push(wrong_type(path, &self.format, kind_format));
        } else if text_like && !self.format.is_empty() && !has("number") && !has("integer") {
            out.matches += 1;
        } else if !fits && !self.types.is_empty() {
            out.errors.push(wrong_type(path, &self.types.join(","), kind));
        } else {
            out.matches += 1;
        }
    }

    fn check_junctors(&self, v: &Value, old: Option<&Value>, path: &str, out: &mut Outcome) {
        if !self.any_of.is_empty() {
            let mut best: Option<Outcome> = None;
            let mut passed = None;
            for check in &self.any_of {
                let result = check.check(v, old, path);
                if result.errors.is_empty() {
                    passed = Some(result);
                    break;
                }
                if best.as_ref().is_none_or(|b| result.matches > b.matches) {
                    best = Some(result);
                }
            }
            if passed.is_none() {
                out.errors.push(nowhere(format!("\"{path}\" must validate at least one schema (anyOf)")));
            }
            if let Some(result) = passed.or(best) {
                out.merge(result);
            }
        }
        if !self.one_of.is_empty() {
            let (mut best, mut first, mut passed): (Option<Outcome>, Option<Outcome>, usize) = (None, None, 0);
            for check in &self.one_of {
                let result = check.check(v, old, path);
                if result.errors.is_empty() {
                    passed += 1;
                    best = None;
                    first.get_or_insert(result);
                } else if passed == 0 && best.as_ref().is_none_or(|b| result.matches > b.matches) {
                    best = Some(result);
                }
            }
            if passed != 1 {
                let found = if passed == 0 { "Found none valid".to_owned() } else { format!("Found {passed} valid alternatives") };
                out.errors.push(nowhere(format!("\"{path}\" must validate one and only one schema (oneOf). {found}")));
            }
            if let Some(result) = if passed == 1 { first } else { best } {
                out.merge(result);
            }
        }
        if !self.all_of.is_empty() {
            let mut passed = 0;
            for check in &self.all_of {
                let result = check.check(v, old, path);
                passed += usize::from(result.errors.is_empty());
                out.merge(result);
            }
            if passed != self.all_of.len() {
                let more = if passed == 0 { ". None validated" } else { "" };
                out.errors.push(nowhere(format!("\"{path}\" must validate all the schemas (allOf){more}")));
            }
        }
        if self.not.as_ref().is_some_and(|not| not.check(v, None, path).errors.is_empty()) {
            out.errors.push(nowhere(format!("\"{path}\" must not validate the schema (not)")));
        }
        out.matches += 1;
    }

    fn check_string(&self, data: &str, path: &str, out: &mut Outcome) {
        let length = data.chars().count() as u64;
        let value = Value::from(data);
        if let Some(max) = self.max_length.filter(|max| length > *max) {
            out.errors.push(FieldError::too_long(path, usize::try_from(max).unwrap_or(usize::MAX)));
        } else if let Some(min) = self.min_length.filter(|min| length < *min) {
            out.errors.push(invalid(path, &value, format!("should be at least {min} chars long")));
        } else if let Some(pattern) = self.pattern.as_ref().filter(|p| !p.matches(data)) {
            out.errors.push(invalid(path, &value, format!("should match '{}'", pattern.text)));
        }
        if !self.format.is_empty() && !format::is_valid(&self.format, data) {
            out.errors.push(wrong_type_of(path, &self.format, data));
        }
        out.matches += 1;
    }

    fn check_number(&self, n: &serde_json::Number, path: &str, out: &mut Outcome) {
        let Some(data) = n.as_f64() else { return };
        let value = Value::Number(n.clone());
        let only = |t: &str| self.types.len() == 1 && &*self.types[0] == t;
        let (wide, narrow) = (n.as_i64(), n.as_i64().and_then(|i| i32::try_from(i).ok()));
        let whole = data.fract() == 0.0;
        if only("integer") && ((wide.is_none() && !whole) || (&*self.format == "int32" && narrow.is_none())) {
            let format = if self.format.is_empty() { "(default format)".to_owned() } else { format!("with format {}", self.format) };
            out.errors.push(nowhere(format!("Checked value must be of type integer {format} in {path}")));
        }
        if only("number") && &*self.format == "float" && data.abs() > f64::from(f32::MAX) {
            out.errors.push(nowhere(format!("Checked value must be of type number with format float in {path}")));
        }
        if let Some(factor) = self.multiple_of.filter(|f| *f > 0.0) {
            let quotient = data / factor;
            if (quotient - quotient.round()).abs() > 1e-9 {
                out.errors.push(invalid(path, &value, format!("should be a multiple of {factor}")));
            }
        }
        if let Some(min) = self.minimum.filter(|min| data < *min || (self.exclusive_minimum && data <= *min)) {
            let word = if self.exclusive_minimum { "greater than" } else { "greater than or equal to" };
            out.errors.push(invalid(path, &value, format!("should be {word} {min}")));
        }
        if let Some(max) = self.maximum.filter(|max| data > *max || (self.exclusive_maximum && data >= *max)) {
            let word = if self.exclusive_maximum { "less than" } else { "less than or equal to" };
            out.errors.push(invalid(path, &value, format!("should be {word} {max}")));
        }
        out.matches += 1;
    }

    fn check_list(&self, items: &[Value], old: Option<&Value>, path: &str, out: &mut Outcome) {
        if let Some(check) = &self.items {
            let old = old.and_then(Value::as_array);
            for (index, item) in items.iter().enumerate() {
                let before = old.and_then(|old| self.correlated(item, old));
                out.merge(check.check(item, before, &format!("{path}[{index}]")));
            }
        }
        let size = items.len() as u64;
        if let Some(min) = self.min_items.filter(|min| size < *min) {
            out.errors.push(invalid(path, &size.into(), format!("should have at least {min} items")));
        }
        if let Some(max) = self.max_items.filter(|max| size > *max) {
            out.errors.push(too_many(path, size, max));
        }
        if self.unique_items && items.iter().enumerate().any(|(i, item)| items[..i].contains(item)) {
            out.errors.push(invalid(path, &"".into(), "shouldn't contain duplicates".to_owned()));
        }
        out.matches += 1;
    }

    /// The old item with the same keys; items of other lists have no identity.
    fn correlated<'a>(&self, item: &Value, old: &'a [Value]) -> Option<&'a Value> {
        if self.list_keys.is_empty() {
            return None;
        }
        old.iter().find(|o| self.list_keys.iter().all(|key| o.get(&**key) == item.get(&**key)))
    }

    fn check_enum(&self, v: &Value, path: &str, out: &mut Outcome) {
        let same = |allowed: &Value| allowed == v || (allowed.is_number() && v.is_number() && allowed.as_f64() == v.as_f64());
        if !self.enumeration.is_empty() && !self.enumeration.iter().any(same) {
            let texts: Vec<String> = self.enumeration.iter().map(|e| e.as_str().map_or_else(|| e.to_string(), str::to_owned)).collect();
            let supported: Vec<&str> = texts.iter().map(String::as_str).collect();
            out.errors.push(FieldError::not_supported(path, v, &supported));
        }
    }

    fn check_object(&self, map: &Map<String, Value>, old: Option<&Value>, path: &str, out: &mut Outcome) {
        let size = map.len() as u64;
        if let Some(min) = self.min_properties.filter(|min| size < *min) {
            out.errors.push(invalid(path, &size.into(), format!("should have at least {min} properties")));
        }
        if let Some(max) = self.max_properties.filter(|max| size > *max) {
            out.errors.push(too_many(path, size, max));
        }
        let known = |key: &str| self.properties.iter().any(|(name, _)| &**name == key);
        for (key, value) in map.iter().filter(|(key, _)| !known(key)) {
            let inner = join(path, key);
            if self.closed {
                out.errors.push(invalid(path, &"".into(), format!("{inner} is a forbidden property")));
            } else if let Some(check) = &self.additional {
                out.merge(check.check(value, old.and_then(|o| o.get(key)), &inner));
            }
        }
        for (name, check) in &self.properties {
            if let Some(value) = map.get(&**name) {
                out.merge(check.check(value, old.and_then(|o| o.get(&**name)), &join(path, name)));
            }
        }
        for name in self.required.iter().filter(|name| !map.contains_key(&***name)) {
            out.errors.push(FieldError::required(join(path, name), ""));
        }
        out.matches += 1;
    }
}

impl Pattern {
    fn matches(&self, data: &str) -> bool {
        // The definition's validation refuses patterns that do not compile; one stored earlier matches nothing, as upstream.
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref().is_some_and(|r| r.is_match(data))
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The root has no name of its own in messages.
fn field(path: &str) -> &str {
    if path.is_empty() { "<nil>" } else { path }
}

fn invalid(path: &str, value: &Value, why: String) -> FieldError {
    FieldError::invalid(field(path), value, &format!("{path} in body {why}"))
}

fn wrong_type(path: &str, wanted: &str, got: &str) -> FieldError {
    FieldError::type_invalid(field(path), &got.into(), &format!("{path} in body must be of type {wanted}: \"{got}\""))
}

fn wrong_type_of(path: &str, wanted: &str, data: &str) -> FieldError {
    FieldError::type_invalid(field(path), &data.into(), &format!("{path} in body must be of type {wanted}: {data:?}"))
}

fn too_many(path: &str, size: u64, max: u64) -> FieldError {
    let items = if max == 1 { "item" } else { "items" };
    let detail = format!("Too many: {size}: must have at most {max} {items}");
    FieldError { cause: Cause::FieldValueTooMany, field: field(path).to_owned(), detail }
}

fn nowhere(why: String) -> FieldError {
    FieldError::invalid("<nil>", &"".into(), &why)
}
