//! Rules for Ingresses and NetworkPolicies.

use std::net::IpAddr;

use comity_core::{FieldError, Value, names, object};

use super::report::{Report, has, items, port_name, text};

pub(super) fn ingress(report: &mut Report, v: &Value) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    let rules = items(spec, "rules");
    if rules.is_empty() && !has(spec, "defaultBackend") {
        report.invalid("spec", &Value::Null, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(default) = spec.get("defaultBackend") {
        backend(report, default, "spec.defaultBackend");
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("spec.rules[{index}]");
        host(report, text(rule, "host"), &format!("{at}.host"));
        let Some(http) = rule.get("http").filter(|h| h.is_object()) else { continue };
        let paths = items(http, "paths");
        if paths.is_empty() {
            report.required(format!("{at}.http.paths"), "");
        }
        for (place, one) in paths.iter().enumerate() {
            path(report, one, &format!("{at}.http.paths[{place}]"));
        }
    }
    let class = text(spec, "ingressClassName");
    if !class.is_empty() {
        report.broken("spec.ingressClassName", class, names::dns1123_subdomain(class));
    }
}

fn host(report: &mut Report, host: &str, path: &str) {
    if host.is_empty() {
        return;
    }
    if host.parse::<IpAddr>().is_ok() {
        report.invalid(path, &host.into(), "must be a DNS name, not an IP address");
    }
    match host.strip_prefix("*.") {
        Some(rest) if names::dns1123_subdomain(rest).is_empty() => {}
        _ if host.contains('*') => {
            let why = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
            report.invalid(path, &host.into(), why);
        }
        _ => report.broken(path, host, names::dns1123_subdomain(host)),
    }
}

fn path(report: &mut Report, one: &Value, at: &str) {
    let route = text(one, "path");
    if !has(one, "pathType") {
        return report.required(format!("{at}.pathType"), "pathType must be specified");
    }
    match text(one, "pathType") {
        "Exact" | "Prefix" => {
            if !route.starts_with('/') {
                report.invalid(format!("{at}.path"), &route.into(), "must be an absolute path");
            }
            for sequence in ["//", "/./", "/../", "%2f", "%2F"] {
                if route.contains(sequence) {
                    report.invalid(format!("{at}.path"), &route.into(), &format!("must not contain '{sequence}'"));
                }
            }
            for suffix in ["/..", "/."] {
                if route.ends_with(suffix) {
                    report.invalid(format!("{at}.path"), &route.into(), &format!("cannot end with '{suffix}'"));
                }
            }
        }
        "ImplementationSpecific" => {
            if !route.is_empty() && !route.starts_with('/') {
                report.invalid(format!("{at}.path"), &route.into(), "must be an absolute path");
            }
        }
        other => {
            let supported = ["Exact", "ImplementationSpecific", "Prefix"];
            report.errors.push(FieldError::not_supported(format!("{at}.pathType"), &other.into(), &supported));
        }
    }
    backend(report, one.get("backend").unwrap_or(&Value::Null), &format!("{at}.backend"));
}

fn backend(report: &mut Report, backend: &Value, at: &str) {
    let empty = Value::from("");
    match (has(backend, "resource"), has(backend, "service")) {
        (true, true) => report.invalid(at, &empty, "cannot set both resource and service backends"),
        (true, false) => {
            for key in ["kind", "name"] {
                if text(&backend["resource"], key).is_empty() {
                    report.required(format!("{at}.resource.{key}"), "");
                }
            }
        }
        (false, true) => {
            let service = &backend["service"];
            let name = text(service, "name");
            if name.is_empty() {
                report.required(format!("{at}.service.name"), "");
            } else {
                report.broken(&format!("{at}.service.name"), name, names::dns1123_label(name));
            }
            let port = service.get("port").unwrap_or(&Value::Null);
            let (port, number) = (text(port, "name"), port.get("number").and_then(Value::as_i64).unwrap_or(0));
            match (port.is_empty(), number) {
                (false, 0) => report.broken(&format!("{at}.service.port.name"), port, port_name(port)),
                (false, _) => report.invalid(at, &empty, "cannot set both port name & port number"),
                (true, 0) => report.required(at, "port name or number is required"),
                (true, number) => report.port(format!("{at}.service.port.number"), number),
            }
        }
        (false, false) => report.invalid(at, &empty, "resource or service backend is required"),
    }
}

pub(super) fn policy(report: &mut Report, v: &Value) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    report.selector(spec.get("podSelector"), "spec.podSelector");
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(spec, direction).iter().enumerate() {
            let at = format!("spec.{direction}[{index}]");
            for (place, port) in items(rule, "ports").iter().enumerate() {
                policy_port(report, port, &format!("{at}.ports[{place}]"));
            }
            for (place, peer) in items(rule, peers).iter().enumerate() {
                policy_peer(report, peer, &format!("{at}.{peers}[{place}]"));
            }
        }
    }
    let types = object::items_at(spec, &["policyTypes"]);
    if types.len() > 2 {
        report.invalid("spec.policyTypes", &Value::Array(types.to_vec()), "may not specify more than two policyTypes");
        return;
    }
    for (index, kind) in types.iter().enumerate() {
        report.one_of(format!("spec.policyTypes[{index}]"), kind.as_str().unwrap_or_default(), &["Ingress", "Egress"]);
    }
}

fn policy_port(report: &mut Report, port: &Value, at: &str) {
    report.optional_one_of(format!("{at}.protocol"), text(port, "protocol"), &["TCP", "UDP", "SCTP"]);
    if has(port, "port") {
        report.port_or_name(&format!("{at}.port"), port.get("port"));
    }
    if let Some(end) = port.get("endPort").and_then(Value::as_i64) {
        match port.get("port") {
            None => report.required(format!("{at}.port"), "must be specified when endPort is specified"),
            Some(Value::String(_)) => {
                report.invalid(format!("{at}.endPort"), &end.into(), "may not be specified when `port` is non-numeric")
            }
            Some(start) if start.as_i64().is_some_and(|s| end < s) => {
                report.invalid(format!("{at}.endPort"), &end.into(), "must be greater than or equal to `port`");
            }
            Some(_) => report.port(format!("{at}.endPort"), end),
        }
    }
}

fn policy_peer(report: &mut Report, peer: &Value, at: &str) {
    let kinds = ["podSelector", "namespaceSelector", "ipBlock"].iter().filter(|k| has(peer, k)).count();
    if kinds == 0 {
        return report.required(at, "must specify a peer");
    }
    for key in ["podSelector", "namespaceSelector"] {
        report.selector(peer.get(key), &format!("{at}.{key}"));
    }
    if has(peer, "ipBlock") && kinds > 1 {
        report.forbidden(at, "may not specify both ipBlock and another peer");
    }
}
