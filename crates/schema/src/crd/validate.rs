//! Rules for definitions (`CustomResourceDefinition` objects), with the API's texts.
//!
//! The paths are those of the API: when all versions share a part (schema, subresources, columns), it is named once at the top,
//! such as `spec.validation.openAPIV3Schema`.

use comity_core::{FieldError, Value, names, object};

use super::schema_rules;

const APPROVED: &str = "api-approved.kubernetes.io";
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// Validates a definition that is created, or that replaces an old one.
pub fn validate_definition(v: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let plural = object::str_at(v, &["spec", "names", "plural"]);
    let group = object::str_at(v, &["spec", "group"]);
    if object::name(v) != format!("{plural}.{group}") && old.is_none() {
        errors.push(FieldError::invalid("metadata.name", &object::name(v).into(), "must be spec.names.plural+\".\"+spec.group"));
    }
    spec(v, &mut errors);
    stored_versions(v, &mut errors);
    if let Some(old) = old {
        immutable(v, old, &mut errors);
    }
    approval(v, old, &mut errors);
    if object::at(v, &["spec", "preserveUnknownFields"]) == Some(&Value::Bool(true)) {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(FieldError::invalid("spec.preserveUnknownFields", &true.into(), why));
    }
    errors
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn invalid(errors: &mut Vec<FieldError>, path: impl Into<String>, value: &Value, why: &str) {
    errors.push(FieldError::invalid(path, value, why));
}

fn spec(v: &Value, errors: &mut Vec<FieldError>) {
    let group = object::str_at(v, &["spec", "group"]);
    let wrong = names::dns1123_subdomain(group);
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if !wrong.is_empty() {
        invalid(errors, "spec.group", &group.into(), &wrong.join(","));
    } else if !group.contains('.') {
        invalid(errors, "spec.group", &group.into(), "should be a domain with at least one dot");
    }
    one_of("spec.scope", object::str_at(v, &["spec", "scope"]), &["Cluster", "Namespaced"], errors);
    versions(v, errors);
    for key in ["plural", "singular", "kind", "listKind"] {
        if object::str_at(v, &["spec", "names", key]).is_empty() {
            errors.push(FieldError::required(format!("spec.names.{key}"), ""));
        }
    }
    given_names(v, errors);
    conversion(v, errors);
}

fn one_of(path: &str, value: &str, accepted: &[&str], errors: &mut Vec<FieldError>) {
    if value.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else if !accepted.contains(&value) {
        errors.push(FieldError::not_supported(path, &value.into(), accepted));
    }
}

/// Whether all versions have the same of something, so that it is reported once.
fn shared<'a>(versions: &'a [Value], key: &str) -> Option<&'a Value> {
    let first = versions.first()?.get(key)?;
    versions.iter().all(|v| v.get(key) == Some(first)).then_some(first)
}

fn versions(v: &Value, errors: &mut Vec<FieldError>) {
    let versions = object::items_at(v, &["spec", "versions"]);
    for (index, version) in versions.iter().enumerate() {
        if !version.get("schema").and_then(|s| s.get("openAPIV3Schema")).is_some_and(Value::is_object) {
            errors.push(FieldError::required(format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
        }
    }
    for (index, version) in versions.iter().enumerate() {
        let name = text(version, "name");
        let wrong = names::dns1035_label(name);
        if !wrong.is_empty() {
            invalid(errors, format!("spec.versions[{index}].name"), &name.into(), &wrong.join(","));
        }
        deprecation(version, &format!("spec.versions[{index}].deprecationWarning"), errors);
        for (key, path, rules) in PARTS {
            if let Some(part) = version.get(key).filter(|_| shared(versions, key).is_none()) {
                rules(part, &format!("spec.versions[{index}].{path}"), errors);
            }
        }
    }
    let names: Vec<&str> = versions.iter().map(|v| text(v, "name")).collect();
    if names.iter().enumerate().any(|(i, n)| names[..i].contains(n)) {
        invalid(errors, "spec.versions", &shown(versions), "must contain unique version names");
    }
    if versions.iter().filter(|v| v.get("storage") == Some(&Value::Bool(true))).count() != 1 {
        invalid(errors, "spec.versions", &shown(versions), "must have exactly one version marked as storage version");
    }
    if let Some(first) = versions.first() {
        let wrong = names::dns1035_label(text(first, "name"));
        if !wrong.is_empty() {
            invalid(errors, "spec.version", &text(first, "name").into(), &wrong.join(","));
        }
    }
    for (key, path, rules) in PARTS {
        if let Some(part) = shared(versions, key) {
            let top = if key == "schema" { "spec.validation".to_owned() } else { format!("spec.{path}") };
            rules(part, &top, errors);
        }
    }
}

type Rules = fn(&Value, &str, &mut Vec<FieldError>);
const PARTS: [(&str, &str, Rules); 3] = [
    ("schema", "schema", schema),
    ("subresources", "subresources", subresources),
    ("additionalPrinterColumns", "additionalPrinterColumns", columns),
];

/// Versions as the API prints them.
fn shown(versions: &[Value]) -> Value {
    let one = |v: &Value| {
        serde_json::json!({"Name": text(v, "name"), "Served": v.get("served") == Some(&Value::Bool(true)), "Storage": v.get("storage") == Some(&Value::Bool(true)),
            "Deprecated": v.get("deprecated") == Some(&Value::Bool(true)), "DeprecationWarning": v.get("deprecationWarning"),
            "Schema": null, "Subresources": null, "AdditionalPrinterColumns": null, "SelectableFields": null})
    };
    Value::Array(versions.iter().map(one).collect())
}

fn schema(part: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(Value::Object(schema)) = part.get("openAPIV3Schema") {
        errors.extend(schema_rules::validate(schema, &format!("{path}.openAPIV3Schema")));
    }
}

fn deprecation(version: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(warning) = version.get("deprecationWarning").filter(|w| !w.is_null()) else { return };
    let message = warning.as_str().unwrap_or_default();
    if version.get("deprecated") != Some(&Value::Bool(true)) {
        invalid(errors, path, warning, "can only be set for deprecated versions");
        return;
    }
    if message.len() > 256 {
        invalid(errors, path, warning, "must be <= 256 characters long");
    }
    if message.is_empty() {
        invalid(errors, path, warning, "must not be an empty string");
    }
    if let Some((at, _)) = message.char_indices().find(|(_, c)| c.is_control()) {
        let why = format!("must only contain printable UTF-8 characters; non-printable character found at index {at}");
        invalid(errors, path, warning, &why);
    }
}

fn simple_path(path: &str, value: &str, errors: &mut Vec<FieldError>) -> bool {
    let fits = value.starts_with('.');
    if !fits {
        invalid(errors, path, &value.into(), "must be a simple json path starting with .");
    }
    fits
}

fn subresources(part: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(scale) = part.get("scale").filter(|s| s.is_object()) else { return };
    for (key, prefix, where_) in [("specReplicasPath", ".spec.", ".spec"), ("statusReplicasPath", ".status.", ".status")] {
        let (at, value) = (format!("{path}.scale.{key}"), text(scale, key));
        if value.is_empty() {
            errors.push(FieldError::required(at, ""));
        } else if simple_path(&at, value, errors) && !value.starts_with(prefix) {
            invalid(errors, at, &value.into(), &format!("should be a json path under {where_}"));
        }
    }
    let (at, value) = (format!("{path}.scale.labelSelectorPath"), text(scale, "labelSelectorPath"));
    if !value.is_empty() && simple_path(&at, value, errors) && !value.starts_with(".spec.") && !value.starts_with(".status.") {
        invalid(errors, at, &value.into(), "should be a json path under either .spec or .status");
    }
}

fn columns(part: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (index, column) in part.as_array().into_iter().flatten().enumerate() {
        let at = |key: &str| format!("{path}[{index}].{key}");
        if text(column, "name").is_empty() {
            errors.push(FieldError::required(at("name"), ""));
        }
        let (kind, one_of) = (text(column, "type"), format!("must be one of {}", COLUMN_TYPES.join(",")));
        if kind.is_empty() {
            errors.push(FieldError::required(at("type"), &one_of));
        } else if !COLUMN_TYPES.contains(&kind) {
            invalid(errors, at("type"), &kind.into(), &one_of);
        }
        let format = text(column, "format");
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            invalid(errors, at("format"), &format.into(), &format!("must be one of {}", COLUMN_FORMATS.join(",")));
        }
        match text(column, "jsonPath") {
            "" => errors.push(FieldError::required(at("JSONPath"), "")),
            json_path => {
                simple_path(&at("JSONPath"), json_path, errors);
            }
        }
    }
}

fn given_names(v: &Value, errors: &mut Vec<FieldError>) {
    for (key, mixed) in [("plural", false), ("singular", false), ("kind", true), ("listKind", true)] {
        let name = object::str_at(v, &["spec", "names", key]);
        let wrong = if mixed { names::dns1035_label(&name.to_lowercase()) } else { names::dns1035_label(name) };
        if !name.is_empty() && !wrong.is_empty() {
            let prefix = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            invalid(errors, format!("spec.names.{key}"), &name.into(), &format!("{prefix}{}", wrong.join(",")));
        }
    }
    let each = |key: &str, errors: &mut Vec<FieldError>| {
        for (index, name) in object::items_at(v, &["spec", "names", key]).iter().enumerate() {
            let wrong = names::dns1035_label(name.as_str().unwrap_or_default());
            if !wrong.is_empty() {
                invalid(errors, format!("spec.names.{key}[{index}]"), name, &wrong.join(","));
            }
        }
    };
    each("shortNames", errors);
    let (kind, list) = (object::str_at(v, &["spec", "names", "kind"]), object::str_at(v, &["spec", "names", "listKind"]));
    if !kind.is_empty() && kind == list {
        invalid(errors, "spec.names.listKind", &list.into(), "kind and listKind may not be the same");
    }
    each("categories", errors);
}

fn conversion(v: &Value, errors: &mut Vec<FieldError>) {
    let Some(conversion) = object::at(v, &["spec", "conversion"]).filter(|c| c.is_object()) else { return };
    let strategy = text(conversion, "strategy");
    one_of("spec.conversion.strategy", strategy, &["None", "Webhook"], errors);
    let webhook = conversion.get("webhook").filter(|w| !w.is_null());
    let config = webhook.and_then(|w| w.get("clientConfig")).filter(|c| !c.is_null());
    let reviews = webhook.and_then(|w| w.get("conversionReviewVersions")).and_then(Value::as_array).is_some_and(|r| !r.is_empty());
    let (config_path, reviews_path) = ("spec.conversion.webhookClientConfig", "spec.conversion.conversionReviewVersions");
    if strategy == "Webhook" {
        match config {
            None => errors.push(FieldError::required(config_path, "required when strategy is set to Webhook")),
            Some(c) if c.get("url").is_some() == c.get("service").is_some() => {
                errors.push(FieldError::required(config_path, "exactly one of url or service is required"));
            }
            Some(_) if object::items_at(v, &["spec", "versions"]).len() > 1 => {
                let why = "conversion webhooks are not served yet: keep one version, or use strategy None";
                errors.push(FieldError::forbidden("spec.conversion.strategy", why));
            }
            Some(_) => {}
        }
        if !reviews {
            errors.push(FieldError::required(reviews_path, ""));
        }
    } else {
        let why = "should not be set when strategy is not set to Webhook";
        if config.is_some() {
            errors.push(FieldError::forbidden(config_path, why));
        }
        if reviews {
            errors.push(FieldError::forbidden(reviews_path, why));
        }
    }
}

fn stored_versions(v: &Value, errors: &mut Vec<FieldError>) {
    let path = "status.storedVersions";
    let stored = object::items_at(v, &["status", "storedVersions"]);
    if stored.is_empty() {
        invalid(
            errors,
            path,
            object::at(v, &["status", "storedVersions"]).unwrap_or(&Value::Null),
            "must have at least one stored version",
        );
        return;
    }
    let versions = object::items_at(v, &["spec", "versions"]);
    let mut left: Vec<&Value> = stored.iter().collect();
    for version in versions {
        let name = text(version, "name");
        if version.get("storage") == Some(&Value::Bool(true)) && !left.iter().any(|s| *s == name) {
            invalid(errors, path, &Value::Array(stored.to_vec()), &format!("must have the storage version {name}"));
        }
        left.retain(|s| *s != name);
    }
    for (index, version) in stored.iter().enumerate().filter(|(_, s)| left.contains(s)) {
        let name = version.as_str().unwrap_or_default();
        let why = format!(
            "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
        );
        invalid(errors, format!("{path}[{index}]"), version, &why);
    }
}

fn immutable(v: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let established = comity_core::condition::is_true(old, "Established");
    let fields: [(&[&str], bool); 4] = [
        (&["spec", "scope"], established),
        (&["spec", "names", "kind"], established),
        (&["spec", "group"], true),
        (&["spec", "names", "plural"], true),
    ];
    for (path, _) in fields.iter().filter(|(path, fixed)| *fixed && object::at(v, path) != object::at(old, path)) {
        invalid(errors, path.join("."), &object::str_at(v, path).into(), "field is immutable");
    }
}

fn approval(v: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let group = object::str_at(v, &["spec", "group"]);
    let protected = ["k8s.io", "kubernetes.io"].iter().any(|p| group == *p || group.ends_with(&format!(".{p}")));
    let annotation = object::annotation(v, APPROVED).unwrap_or_default();
    let state = |text: &str| match text {
        "" => "missing",
        t if t.starts_with("unapproved") => "bypassed",
        t if t.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/')) => {
            "approved"
        }
        _ => "invalid",
    };
    if !protected || old.is_some_and(|o| state(object::annotation(o, APPROVED).unwrap_or_default()) == state(annotation)) {
        return;
    }
    let path = format!("metadata.annotations[{APPROVED}]");
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    match state(annotation) {
        "missing" => {
            errors.push(FieldError::required(path, &format!("protected groups must have approval annotation \"{APPROVED}\", {see}")))
        }
        "invalid" => {
            let why = format!(
                "protected groups must have approval annotation \"{APPROVED}\" with either a URL or a reason starting with \"unapproved\", {see}"
            );
            invalid(errors, path, &annotation.into(), &why);
        }
        _ => {}
    }
}
