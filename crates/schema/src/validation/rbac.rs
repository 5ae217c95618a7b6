//! Rules for roles and their bindings.

use comity_core::{FieldError, Value, names};
use serde_json::json;

use super::report::{Report, items, same, shown, text};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role(report: &mut Report, v: &Value, namespaced: bool) {
    for (index, rule) in items(v, "rules").iter().enumerate() {
        let at = format!("rules[{index}]");
        if items(rule, "verbs").is_empty() {
            report.required(format!("{at}.verbs"), "verbs must contain at least one value");
        }
        let urls = items(rule, "nonResourceURLs");
        let (groups, resources, names) = (items(rule, "apiGroups"), items(rule, "resources"), items(rule, "resourceNames"));
        if !urls.is_empty() {
            let shown = Value::Array(urls.to_vec());
            if namespaced {
                report.invalid(format!("{at}.nonResourceURLs"), &shown, "namespaced rules cannot apply to non-resource URLs");
            }
            if !groups.is_empty() || !resources.is_empty() || !names.is_empty() {
                report.invalid(
                    format!("{at}.nonResourceURLs"),
                    &shown,
                    "rules cannot apply to both regular resources and non-resource URLs",
                );
            }
            continue;
        }
        if groups.is_empty() {
            report.required(format!("{at}.apiGroups"), "resource rules must supply at least one api group");
        }
        if resources.is_empty() {
            report.required(format!("{at}.resources"), "resource rules must supply at least one resource");
        }
    }
    for (index, selector) in v.get("aggregationRule").map_or(&[][..], |r| items(r, "clusterRoleSelectors")).iter().enumerate() {
        report.selector(Some(selector), &format!("aggregationRule.clusterRoleSelectors[{index}]"));
    }
}

pub(super) fn binding(report: &mut Report, v: &Value, old: Option<&Value>, namespaced: bool) {
    let reference = shown(v, "roleRef");
    if old.is_some_and(|o| !same(o.get("roleRef"), v.get("roleRef"))) {
        let printed = json!({"APIGroup": text(&reference, "apiGroup"), "Kind": text(&reference, "kind"), "Name": text(&reference, "name")});
        report.invalid("roleRef", &printed, "cannot change roleRef");
    }
    let group = text(&reference, "apiGroup");
    if group != GROUP {
        report.errors.push(FieldError::not_supported("roleRef.apiGroup", &group.into(), &[GROUP]));
    }
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    let kind = text(&reference, "kind");
    if !kinds.contains(&kind) {
        report.errors.push(FieldError::not_supported("roleRef.kind", &kind.into(), kinds));
    }
    let name = text(&reference, "name");
    if name.is_empty() {
        report.required("roleRef.name", "");
    } else {
        report.broken("roleRef.name", name, names::path_segment(name));
    }
    for (index, one) in items(v, "subjects").iter().enumerate() {
        subject(report, one, namespaced, &format!("subjects[{index}]"));
    }
}

fn subject(report: &mut Report, subject: &Value, namespaced: bool, path: &str) {
    let (kind, name, group) = (text(subject, "kind"), text(subject, "name"), text(subject, "apiGroup"));
    if name.is_empty() {
        report.required(format!("{path}.name"), "");
    }
    match kind {
        "ServiceAccount" => {
            if !name.is_empty() {
                report.broken(&format!("{path}.name"), name, names::dns1123_subdomain(name));
            }
            if !group.is_empty() {
                report.errors.push(FieldError::not_supported(format!("{path}.apiGroup"), &group.into(), &[""]));
            }
            if !namespaced && text(subject, "namespace").is_empty() {
                report.required(format!("{path}.namespace"), "");
            }
        }
        "User" | "Group" if group != GROUP => {
            report.errors.push(FieldError::not_supported(format!("{path}.apiGroup"), &group.into(), &[GROUP]));
        }
        "User" | "Group" => {}
        other => report.errors.push(FieldError::not_supported(format!("{path}.kind"), &other.into(), &["ServiceAccount", "User", "Group"])),
    }
}
