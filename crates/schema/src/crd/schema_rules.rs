//! Rules for the schemas in definitions: what is forbidden at all, then what makes a schema structural.

use comity_core::{FieldError, Map, Value};
use regex::Regex;

use super::{
    check::Check,
    compile::{compile, text, truth},
};

type Schema = Map<String, Value>;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const JUNCTORS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// All problems of a version's schema. Structure is only judged when nothing forbidden is in it.
pub(super) fn validate(schema: &Schema, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if truth(schema, "nullable") {
        errors.push(FieldError::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    standard(schema, path, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    structure(schema, Level::Root, path, &mut errors);
    errors.sort_by_key(ToString::to_string);
    if errors.is_empty() {
        defaults(schema, path, &mut errors);
    }
    errors
}

fn list<'a>(schema: &'a Schema, key: &str) -> impl Iterator<Item = (usize, &'a Schema)> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten().enumerate().filter_map(|(i, v)| Some((i, v.as_object()?)))
}

/// Every directly nested schema with its path; junctors included when asked for.
fn nested<'a>(schema: &'a Schema, path: &str, junctors: bool) -> Vec<(String, &'a Schema)> {
    let mut found = Vec::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        found.extend(property.as_object().map(|p| (format!("{path}.properties[{name}]"), p)));
    }
    for key in ["items", "additionalProperties"] {
        found.extend(schema.get(key).and_then(Value::as_object).map(|s| (format!("{path}.{key}"), s)));
    }
    if junctors {
        for key in JUNCTORS {
            found.extend(list(schema, key).map(|(i, s)| (format!("{path}.{key}[{i}]"), s)));
        }
        found.extend(schema.get("not").and_then(Value::as_object).map(|s| (format!("{path}.not"), s)));
    }
    found
}

/// What a definition may not say anywhere.
fn standard(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    let has = |key: &str| schema.get(key).is_some_and(|v| !v.is_null());
    if truth(schema, "uniqueItems") {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(format!("{path}.uniqueItems"), why));
    }
    if has("additionalProperties") && schema.get("properties").and_then(Value::as_object).is_some_and(|p| !p.is_empty()) {
        let why = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), why));
    }
    for key in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if has(key) {
            errors.push(FieldError::forbidden(format!("{path}.{key}"), &format!("{key} is not supported")));
        }
    }
    match text(schema, "type") {
        "" => {}
        "null" => errors.push(FieldError::forbidden(format!("{path}.type"), "type cannot be set to null, use nullable as an alternative")),
        kind if !TYPES.contains(&kind) => errors.push(FieldError::not_supported(format!("{path}.type"), &kind.into(), &TYPES)),
        _ => {}
    }
    if schema.get("items").is_some_and(Value::is_array) {
        errors.push(FieldError::forbidden(format!("{path}.items"), "items must be a schema object and not an array"));
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        errors.push(FieldError::invalid(
            format!("{path}.x-kubernetes-preserve-unknown-fields"),
            &false.into(),
            "must be true or undefined",
        ));
    }
    // Accepting rules without checking them would let through what the author forbids.
    if schema.get("x-kubernetes-validations").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty()) {
        let why =
            "CEL rules are not served yet, and ignoring them would let invalid objects in: remove them or use another server for this kind";
        errors.push(FieldError::forbidden(format!("{path}.x-kubernetes-validations"), why));
    }
    map_type(schema, path, errors);
    list_type(schema, path, errors);
    for (path, inner) in nested(schema, path, true) {
        standard(inner, &path, errors);
    }
}

fn wrong_kind(schema: &Schema, path: &str, why: &str, errors: &mut Vec<FieldError>) {
    errors.push(match text(schema, "type") {
        "" => FieldError::required(format!("{path}.type"), why),
        kind => FieldError::invalid(format!("{path}.type"), &kind.into(), why),
    });
}

fn map_type(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    let kind = text(schema, "x-kubernetes-map-type");
    if kind.is_empty() {
        return;
    }
    if text(schema, "type") != "object" {
        wrong_kind(schema, path, "must be object if x-kubernetes-map-type is specified", errors);
    }
    if !matches!(kind, "atomic" | "granular") {
        errors.push(FieldError::not_supported(format!("{path}.x-kubernetes-map-type"), &kind.into(), &["atomic", "granular"]));
    }
}

fn list_type(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    let kind = text(schema, "x-kubernetes-list-type");
    let keys: Vec<&str> =
        schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let keys_path = format!("{path}.x-kubernetes-list-map-keys");
    if !kind.is_empty() && text(schema, "type") != "array" {
        wrong_kind(schema, path, "must be array if x-kubernetes-list-type is specified", errors);
    }
    if !matches!(kind, "" | "atomic" | "set" | "map") {
        errors.push(FieldError::not_supported(format!("{path}.x-kubernetes-list-type"), &kind.into(), &["atomic", "set", "map"]));
    }
    let items = schema.get("items").and_then(Value::as_object);
    if kind == "set"
        && let Some(items) = items
    {
        let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let inner = |key: &str| items.get(key).cloned().unwrap_or_default();
        match text(items, "type") {
            "array" if !matches!(text(items, "x-kubernetes-list-type"), "" | "atomic") => {
                errors.push(FieldError::invalid(format!("{path}.items.x-kubernetes-list-type"), &inner("x-kubernetes-list-type"), why));
            }
            "object" if text(items, "x-kubernetes-map-type") != "atomic" => {
                errors.push(FieldError::invalid(format!("{path}.items.x-kubernetes-map-type"), &inner("x-kubernetes-list-type"), why));
            }
            _ => {}
        }
    }
    if !keys.is_empty() && kind != "map" {
        let (at, why) = (format!("{path}.x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty");
        errors.push(if kind.is_empty() { FieldError::required(at, why) } else { FieldError::invalid(at, &kind.into(), why) });
    }
    if kind != "map" {
        return;
    }
    if keys.is_empty() {
        errors.push(FieldError::required(keys_path.clone(), "must not be empty if x-kubernetes-list-type is map"));
    }
    let Some(items) = items else {
        errors.push(FieldError::required(format!("{path}.items"), "must have a schema if x-kubernetes-list-type is map"));
        return;
    };
    if text(items, "type") != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(format!("{path}.items.type"), &text(items, "type").into(), why));
        return;
    }
    map_keys(items, &keys, path, &keys_path, errors);
}

fn map_keys(items: &Schema, keys: &[&str], path: &str, keys_path: &str, errors: &mut Vec<FieldError>) {
    let required: Vec<&str> = items.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut late = Vec::new();
    if truth(items, "nullable") {
        late.push(FieldError::forbidden(format!("{path}.items.nullable"), "cannot be nullable when x-kubernetes-list-type is map"));
    }
    for (index, key) in keys.iter().enumerate() {
        let shown = Value::from(keys.to_vec());
        let Some(property) = items.get("properties").and_then(|p| p.get(*key)).and_then(Value::as_object) else {
            errors.push(FieldError::invalid(keys_path, &shown, "entries must all be names of item properties"));
            continue;
        };
        let at = format!("{path}.items.properties[{key}]");
        if matches!(text(property, "type"), "array" | "object") {
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.push(FieldError::invalid(format!("{at}.type"), &text(items, "type").into(), why));
        }
        if keys[..index].contains(key) {
            errors.push(FieldError::invalid(keys_path, &shown, "must not contain duplicate entries"));
        }
        if !required.contains(key) && property.get("default").is_none_or(Value::is_null) {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            late.push(FieldError::required(format!("{at}.default"), why));
        }
        if truth(property, "nullable") {
            late.push(FieldError::forbidden(
                format!("{at}.nullable"),
                "this property is in x-kubernetes-list-map-keys, so it cannot be nullable",
            ));
        }
    }
    errors.append(&mut late);
}

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What makes a schema structural.
fn structure(schema: &Schema, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let kind = text(schema, "type");
    let (embedded, int_or_string) = (truth(schema, "x-kubernetes-embedded-resource"), truth(schema, "x-kubernetes-int-or-string"));
    let preserve = truth(schema, "x-kubernetes-preserve-unknown-fields");
    let properties = schema.get("properties").and_then(Value::as_object);
    if kind == "array" && !schema.get("items").is_some_and(Value::is_object) {
        errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    if level == Level::Root && schema.contains_key("additionalProperties") {
        errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), "must not be used at the root"));
    }
    for key in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if int_or_string && truth(schema, key) {
            errors.push(FieldError::invalid(format!("{path}.{key}"), &true.into(), "must be false if x-kubernetes-int-or-string is true"));
        }
    }
    values(schema, int_or_string, path, errors);
    if embedded && kind != "object" {
        wrong_kind(schema, path, "must be object if x-kubernetes-embedded-resource is true", errors);
    } else if kind.is_empty() && !int_or_string && !preserve {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(format!("{path}.type"), why));
    }
    if embedded && schema.contains_key("additionalProperties") {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), why));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(FieldError::invalid(format!("{path}.type"), &kind.into(), "must be object at the root"));
    }
    if level == Level::Root || embedded {
        whole(properties, level, path, errors);
    }
    if embedded && !preserve && properties.is_none_or(Map::is_empty) {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(format!("{path}.properties"), why));
    }
    for (inner_path, inner) in nested(schema, path, false) {
        let level = if inner_path.ends_with(".items") { Level::Item } else { Level::Field };
        structure(inner, level, &inner_path, errors);
    }
}

fn whole(properties: Option<&Schema>, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let of = |name: &str| properties.and_then(|p| p.get(name)).and_then(Value::as_object);
    for name in ["kind", "apiVersion"] {
        if let Some(property) = of(name).filter(|p| text(p, "type") != "string") {
            errors.push(FieldError::invalid(format!("{path}.properties[{name}].type"), &text(property, "type").into(), "must be string"));
        }
    }
    let Some(metadata) = of("metadata") else { return };
    let at = format!("{path}.properties[metadata]");
    if text(metadata, "type") != "object" {
        errors.push(FieldError::invalid(format!("{at}.type"), &text(metadata, "type").into(), "must be object"));
    }
    let named = metadata.get("properties").and_then(Value::as_object).is_none_or(|p| p.keys().all(|k| k == "name" || k == "generateName"));
    let plain = metadata.keys().all(|k| matches!(k.as_str(), "type" | "properties" | "description" | "default"));
    if level == Level::Root && !(named && plain) {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(at, why));
    }
}

/// Value rules; `int_or_string` allows the two usual ways to write that type.
fn values(schema: &Schema, int_or_string: bool, path: &str, errors: &mut Vec<FieldError>) {
    let usual = |alternatives: &Schema| {
        let types: Vec<&str> = list(alternatives, "anyOf").map(|(_, s)| if s.len() == 1 { text(s, "type") } else { "" }).collect();
        types == ["integer", "string"]
    };
    if !(int_or_string && usual(schema)) {
        for (index, inner) in list(schema, "anyOf") {
            junctor(inner, false, &format!("{path}.anyOf[{index}]"), errors);
        }
    }
    for (index, inner) in list(schema, "allOf") {
        junctor(inner, int_or_string && index == 0 && usual(inner), &format!("{path}.allOf[{index}]"), errors);
    }
    for (index, inner) in list(schema, "oneOf") {
        junctor(inner, false, &format!("{path}.oneOf[{index}]"), errors);
    }
    if let Some(inner) = schema.get("not").and_then(Value::as_object) {
        junctor(inner, false, &format!("{path}.not"), errors);
    }
    let pattern = text(schema, "pattern");
    if let Err(why) = Regex::new(pattern) {
        let why = format!("must be a valid regular expression, but isn't: error parsing regexp: {}", go_reason(&why, pattern));
        errors.push(FieldError::invalid(format!("{path}.pattern"), &pattern.into(), &why));
    }
}

/// The first line of what is wrong with a pattern.
fn go_reason(why: &regex::Error, pattern: &str) -> String {
    let text = why.to_string();
    if text.contains("unclosed group") {
        return format!("missing closing ): `{pattern}`");
    }
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// A schema inside `anyOf` and the like may only restrict values.
fn junctor(schema: &Schema, skip_any_of: bool, path: &str, errors: &mut Vec<FieldError>) {
    values(schema, skip_any_of, path, errors);
    for (inner_path, inner) in nested(schema, path, false) {
        if !inner_path.ends_with(".additionalProperties") {
            junctor(inner, false, &inner_path, errors);
        }
    }
    let mut forbid = |key: &str, why: &str| errors.push(FieldError::forbidden(format!("{path}.{key}"), why));
    for key in ["type", "title", "description"] {
        if !text(schema, key).is_empty() {
            forbid(key, "must be empty to be structural");
        }
    }
    if schema.contains_key("additionalProperties") {
        forbid("additionalProperties", "must be undefined to be structural");
    }
    if schema.get("default").is_some_and(|d| !d.is_null()) {
        forbid("default", "must be undefined to be structural");
    }
    for key in ["nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"] {
        if truth(schema, key) {
            forbid(key, "must be false to be structural");
        }
    }
    if schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).is_some_and(|k| !k.is_empty()) {
        forbid("x-kubernetes-list-map-keys", "must be empty to be structural");
    }
    for key in ["x-kubernetes-list-type", "x-kubernetes-map-type"] {
        if schema.contains_key(key) {
            forbid(key, "must be undefined to be structural");
        }
    }
    if schema.get("properties").is_some_and(|p| p.get("metadata").is_some()) {
        forbid("properties[metadata]", "must not be specified in a nested context");
    }
}

/// Defaults are values of their own schema, without unknown fields.
fn defaults(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(default) = schema.get("default").filter(|d| !d.is_null()) {
        let at = format!("{path}.default");
        let holder = serde_json::json!({"type": "object", "properties": {"x": schema}});
        if let Ok(compiled) = compile(&holder)
            && !compiled.prune(&mut serde_json::json!({"x": default})).is_empty()
        {
            errors.push(FieldError::invalid(at.clone(), default, "must not have unknown fields"));
        }
        for mut error in Check::compile(schema).errors(default, None) {
            error.field = if error.field == "<nil>" { at.clone() } else { format!("{at}.{}", error.field) };
            errors.push(error);
        }
    }
    for (path, inner) in nested(schema, path, false) {
        defaults(inner, &path, errors);
    }
}
