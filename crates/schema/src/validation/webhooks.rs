//! Rules for webhook configurations.

use comity_core::{FieldError, Value, names};

use super::report::{Report, has, items, text};

pub(super) fn configuration(report: &mut Report, v: &Value) {
    for (index, webhook) in items(v, "webhooks").iter().enumerate() {
        let at = format!("webhooks[{index}]");
        name(report, text(webhook, "name"), &format!("{at}.name"));
        for (place, rule) in items(webhook, "rules").iter().enumerate() {
            one_rule(report, rule, &format!("{at}.rules[{place}]"));
        }
        report.optional_one_of(format!("{at}.failurePolicy"), text(webhook, "failurePolicy"), &["Fail", "Ignore"]);
        report.optional_one_of(format!("{at}.matchPolicy"), text(webhook, "matchPolicy"), &["Equivalent", "Exact"]);
        match text(webhook, "sideEffects") {
            "" => report.required(format!("{at}.sideEffects"), "must specify one of None, NoneOnDryRun"),
            other => report.optional_one_of(format!("{at}.sideEffects"), other, &["None", "NoneOnDryRun"]),
        }
        if let Some(seconds) = webhook.get("timeoutSeconds").and_then(Value::as_i64).filter(|s| !(1..=30).contains(s)) {
            report.invalid(format!("{at}.timeoutSeconds"), &seconds.into(), "the timeout value must be between 1 and 30 seconds");
        }
        for key in ["namespaceSelector", "objectSelector"] {
            report.selector(webhook.get(key), &format!("{at}.{key}"));
        }
        client(report, webhook.get("clientConfig").unwrap_or(&Value::Null), &format!("{at}.clientConfig"));
        review_versions(report, webhook, &format!("{at}.admissionReviewVersions"));
        report.optional_one_of(format!("{at}.reinvocationPolicy"), text(webhook, "reinvocationPolicy"), &["IfNeeded", "Never"]);
    }
}

fn name(report: &mut Report, name: &str, path: &str) {
    let wrong = names::dns1123_subdomain(name);
    if name.is_empty() {
        report.required(path, "");
    } else if !wrong.is_empty() {
        report.invalid(path, &name.into(), &wrong.join(","));
    } else if name.split('.').count() < 3 {
        report.invalid(path, &name.into(), "should be a domain with at least three segments separated by dots");
    }
}

fn review_versions(report: &mut Report, webhook: &Value, path: &str) {
    let versions = items(webhook, "admissionReviewVersions");
    if versions.is_empty() {
        report.required(path, "must specify one of v1, v1beta1");
    } else if !versions.iter().any(|v| v == "v1" || v == "v1beta1") {
        report.invalid(path, &Value::Array(versions.to_vec()), "must include at least one of v1, v1beta1");
    }
}

fn one_rule(report: &mut Report, rule: &Value, path: &str) {
    let operations = items(rule, "operations");
    if operations.is_empty() {
        report.required(format!("{path}.operations"), "");
    }
    if operations.len() > 1 && operations.iter().any(|o| o == "*") {
        let why = "if '*' is present, must not specify other operations";
        report.invalid(format!("{path}.operations"), &Value::Array(operations.to_vec()), why);
    }
    for (index, operation) in operations.iter().enumerate() {
        let supported = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
        report.one_of(format!("{path}.operations[{index}]"), operation.as_str().unwrap_or_default(), &supported);
    }
    for (key, what, empty) in [("apiGroups", "API groups", true), ("apiVersions", "API versions", false), ("resources", "", false)] {
        let values = items(rule, key);
        let at = format!("{path}.{key}");
        if values.is_empty() {
            report.required(at.clone(), "");
        }
        if key != "resources" && values.len() > 1 && values.iter().any(|v| v == "*") {
            let why = format!("if '*' is present, must not specify other {what}");
            report.invalid(at.clone(), &Value::Array(values.to_vec()), &why);
        }
        for (index, _) in values.iter().enumerate().filter(|(_, v)| !empty && *v == "") {
            report.required(format!("{at}[{index}]"), "");
        }
    }
    report.optional_one_of(format!("{path}.scope"), text(rule, "scope"), &["*", "Cluster", "Namespaced"]);
}

fn client(report: &mut Report, config: &Value, path: &str) {
    if has(config, "url") == has(config, "service") {
        return report.required(path, "exactly one of url or service is required");
    }
    if has(config, "url") {
        return url(report, text(config, "url"), &format!("{path}.url"));
    }
    let service = &config["service"];
    for key in ["name", "namespace"] {
        if text(service, key).is_empty() {
            report.required(format!("{path}.service.{key}"), "");
        }
    }
    if let Some(port) = service.get("port").and_then(Value::as_i64).filter(|p| !(1..=65535).contains(p)) {
        report.errors.push(FieldError::invalid(
            format!("{path}.service.port"),
            &port.into(),
            "port is not valid: must be between 1 and 65535, inclusive",
        ));
    }
}

fn url(report: &mut Report, url: &str, path: &str) {
    const FORM: &str = "desired format: https://host[/path]";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if scheme != "https" {
        report.invalid(path, &scheme.into(), &format!("'https' is the only allowed URL scheme; {FORM}"));
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        report.invalid(path, &host.into(), &format!("host must be specified; {FORM}"));
    }
    if host.contains('@') {
        report.invalid(path, &"<redacted>".into(), &format!("user information is not permitted in the URL; {FORM}"));
    }
}
