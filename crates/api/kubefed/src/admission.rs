//! What KubeFed's webhooks check on create and update, with their texts.
//!
//! Each function takes the object as it would be stored and returns every problem.

use comity_core::{FieldError, Value, duration::parse_go, json, names, object};

use crate::{deletion::DeletionLimits, endpoint, keys, type_config::FederatedTypeConfig};

/// Checks a `FederatedTypeConfig`.
pub fn type_config(value: &Value) -> Vec<FieldError> {
    let name = object::name(value);
    let mut errors = Vec::new();
    let expected = match FederatedTypeConfig::read(value) {
        // The webhook compares with what is written, so a target without a group must stand in a name without one.
        Ok(_) => {
            let target = |key| object::str_at(value, &["spec", "targetType", key]);
            if target("group").is_empty() {
                target("pluralName").to_owned()
            } else {
                format!("{}.{}", target("pluralName"), target("group"))
            }
        }
        Err(problem) => return vec![FieldError::invalid("spec", &json!(null), &problem.0)],
    };
    if expected != name {
        errors.push(FieldError::invalid("name", &json!(name), "name must be 'TARGET_PLURAL_NAME(.TARGET_GROUP_NAME)'"));
    }
    let spec = &value["spec"];
    resource(&mut errors, &spec["targetType"], "spec.targetType");
    one_of(&mut errors, &spec["propagation"], "spec.propagation", &["Enabled", "Disabled"]);
    federated(&mut errors, &spec["federatedType"], "spec.federatedType");
    if spec.get("statusType").is_some() {
        federated(&mut errors, &spec["statusType"], "spec.statusType");
    }
    if let Some(mode) = spec.get("statusCollection") {
        one_of(&mut errors, mode, "spec.statusCollection", &["Enabled", "Disabled"]);
    }
    errors
}

/// Checks a `KubeFedCluster`. A member that dials in (`mode: Pull`) needs neither endpoint nor Secret.
pub fn cluster(value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &value["spec"];
    let text = |key: &str| spec[key].as_str().unwrap_or_default();
    let pull = text("mode") == "Pull";
    match text("apiEndpoint") {
        "" if pull => {}
        "" => errors.push(FieldError::required("spec.apiEndpoint", "")),
        written => {
            if let Err(why) = endpoint::url(written) {
                errors.push(FieldError::invalid("spec.apiEndpoint", &json!(written), &why));
            }
        }
    }
    match spec["secretRef"]["name"].as_str().unwrap_or_default() {
        "" if pull => {}
        "" => errors.push(FieldError::required("spec.secretRef.name", "")),
        name => {
            let wrong = names::dns1123_subdomain(name);
            if !wrong.is_empty() {
                errors.push(FieldError::invalid("spec.secretRef.name", &json!(name), &wrong.join(",")));
            }
        }
    }
    let disabled = object::items_at(value, &["spec", "disabledTLSValidations"]);
    for validation in disabled {
        one_of(&mut errors, validation, "spec.disabledTLSValidations", &["*", "SubjectName", "ValidityPeriod"]);
    }
    if disabled.len() > 1 && disabled.iter().any(|v| v == "*") {
        let detail = "when * is specified, it is expected to be the only option in list";
        errors.push(FieldError::invalid("spec.disabledTLSValidations", &spec["disabledTLSValidations"], detail));
    }
    let proxy = text("proxyURL");
    let scheme = proxy.split_once("://").map_or("", |(scheme, _)| scheme);
    if !proxy.is_empty() && !["http", "https", "socks5"].contains(&scheme) {
        errors.push(FieldError::invalid("spec.proxyURL", &json!(proxy), "proxy URL scheme must be one of: [http, https, socks5]"));
    }
    errors
}

/// Checks a `KubeFedConfig` after defaulting; `old` is the stored one on update.
pub fn config(value: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &value["spec"];
    one_of(&mut errors, &spec["scope"], "spec.scope", &["Cluster", "Namespaced"]);
    if old.is_some_and(|old| old["spec"]["scope"] != spec["scope"]) {
        errors.push(FieldError::invalid("spec.scope", &spec["scope"], "field is immutable"));
    }
    for field in ["availableDelay", "unavailableDelay", "cacheSyncTimeout"] {
        positive_duration(&mut errors, spec, "controllerDuration", field);
    }
    leader_election(&mut errors, spec);
    feature_gates(&mut errors, spec);
    for field in ["period", "timeout"] {
        positive_duration(&mut errors, spec, "clusterHealthCheck", field);
    }
    for (section, field) in [
        ("clusterHealthCheck", "failureThreshold"),
        ("clusterHealthCheck", "successThreshold"),
        ("syncController", "maxConcurrentReconciles"),
        ("statusController", "maxConcurrentReconciles"),
    ] {
        positive_integer(&mut errors, spec, section, field);
    }
    one_of(&mut errors, &spec["syncController"]["adoptResources"], "spec.syncController.adoptResources", &["Enabled", "Disabled"]);
    deletion_annotations(&mut errors, value);
    errors
}

fn deletion_annotations(errors: &mut Vec<FieldError>, value: &Value) {
    let mut check = |key: &str, wrong: fn(&str) -> Option<String>| {
        if let Some(text) = object::annotation(value, key)
            && let Some(detail) = wrong(text)
        {
            errors.push(FieldError::invalid(format!("metadata.annotations[{key}]"), &text.into(), &detail));
        }
    };
    check(keys::DELETION_LIMITS, |text| DeletionLimits::parse(text).err());
    check(keys::DEFER_AFTER, |text| parse_go(text).is_none().then(|| "must be a duration such as 5m".to_owned()));
}

fn leader_election(errors: &mut Vec<FieldError>, spec: &Value) {
    let [lease, renew, retry] =
        ["leaseDuration", "renewDeadline", "retryPeriod"].map(|field| positive_duration(errors, spec, "leaderElect", field));
    let written = |field: &str| &spec["leaderElect"][field];
    if let (Some(lease), Some(renew)) = (lease, renew)
        && lease <= renew
    {
        let detail = "leaseDuration must be greater than renewDeadline";
        errors.push(FieldError::invalid("spec.leaderElect.leaseDuration", written("leaseDuration"), detail));
    }
    if let (Some(renew), Some(retry)) = (renew, retry)
        && renew.as_secs_f64() <= retry.as_secs_f64() * 1.2
    {
        let detail = "renewDeadline must be greater than retryPeriod*JitterFactor(1.2)";
        errors.push(FieldError::invalid("spec.leaderElect.renewDeadline", written("renewDeadline"), detail));
    }
    one_of(errors, written("resourceLock"), "spec.leaderElect.resourceLock", &["configmaps", "endpoints"]);
}

fn feature_gates(errors: &mut Vec<FieldError>, spec: &Value) {
    let mut seen = Vec::new();
    for gate in object::items_at(spec, &["featureGates"]) {
        if seen.contains(&&gate["name"]) {
            errors.push(FieldError::duplicate("spec.featureGates.name", &gate["name"]));
            continue;
        }
        seen.push(&gate["name"]);
        let known = ["PushReconciler", "RawResourceStatusCollection", "SchedulerPreferences"];
        one_of(errors, &gate["name"], "spec.featureGates.name", &known);
        one_of(errors, &gate["configuration"], "spec.featureGates.configuration", &["Enabled", "Disabled"]);
    }
}

fn federated(errors: &mut Vec<FieldError>, value: &Value, path: &str) {
    match value["group"].as_str().unwrap_or_default() {
        "" => errors.push(FieldError::required(format!("{path}.group"), "")),
        group if !group.contains('.') => {
            errors.push(FieldError::invalid(format!("{path}.group"), &json!(group), "should be a domain with at least one dot"));
        }
        _ => {}
    }
    resource(errors, value, path);
}

fn resource(errors: &mut Vec<FieldError>, value: &Value, path: &str) {
    let group = value["group"].as_str().unwrap_or_default();
    let wrong = names::dns1123_subdomain(group);
    if !group.is_empty() && !wrong.is_empty() {
        errors.push(FieldError::invalid(format!("{path}.group"), &json!(group), &wrong.join(",")));
    }
    for field in ["version", "kind", "pluralName"] {
        let text = value[field].as_str().unwrap_or_default();
        let wrong = names::dns1035_label(&if field == "kind" { text.to_lowercase() } else { text.to_owned() });
        if text.is_empty() {
            errors.push(FieldError::required(format!("{path}.{field}"), ""));
        } else if !wrong.is_empty() {
            errors.push(FieldError::invalid(format!("{path}.{field}"), &json!(text), &wrong.join(",")));
        }
    }
    one_of(errors, &value["scope"], &format!("{path}.scope"), &["Cluster", "Namespaced"]);
}

fn one_of(errors: &mut Vec<FieldError>, value: &Value, path: &str, accepted: &[&str]) {
    match value.as_str().unwrap_or_default() {
        "" => errors.push(FieldError::required(path, "")),
        text if accepted.contains(&text) => {}
        _ => errors.push(FieldError::not_supported(path, value, accepted)),
    }
}

fn positive_duration(errors: &mut Vec<FieldError>, spec: &Value, section: &str, field: &str) -> Option<std::time::Duration> {
    let path = format!("spec.{section}.{field}");
    let Some(text) = spec[section][field].as_str() else {
        errors.push(FieldError::required(path, ""));
        return None;
    };
    let duration = parse_go(text).filter(|d| !d.is_zero());
    if duration.is_none() {
        errors.push(FieldError::invalid(path, &json!(text), "should be greater than 0"));
    }
    duration
}

fn positive_integer(errors: &mut Vec<FieldError>, spec: &Value, section: &str, field: &str) {
    let path = format!("spec.{section}.{field}");
    match spec[section][field].as_i64() {
        None => errors.push(FieldError::required(path, "")),
        Some(number) if number <= 0 => errors.push(FieldError::invalid(path, &json!(number), "should be greater than 0")),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::set_defaults, type_config::shipped};

    fn texts(errors: &[FieldError]) -> String {
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_ships_is_accepted() {
        for config in shipped() {
            assert_eq!(texts(&type_config(&config.to_value())), "", "{}", config.name);
        }
    }

    #[test]
    fn a_type_configuration_must_be_named_like_its_target() {
        let mut value = shipped()[2].to_value();
        object::set(&mut value, &["metadata", "name"], json!("deployments"));
        object::set(&mut value, &["spec", "federatedType", "group"], json!("types"));
        object::set(&mut value, &["spec", "propagation"], json!("On"));
        insta::assert_snapshot!(texts(&type_config(&value)), @r#"
        name: Invalid value: "deployments": name must be 'TARGET_PLURAL_NAME(.TARGET_GROUP_NAME)'
        spec.propagation: Unsupported value: "On": supported values: "Enabled", "Disabled"
        spec.federatedType.group: Invalid value: "types": should be a domain with at least one dot
        "#);
    }

    #[test]
    fn a_cluster_needs_an_endpoint_and_a_secret() {
        let value = json!({"spec": {"disabledTLSValidations": ["*", "SubjectName"], "proxyURL": "ftp://x"}});
        insta::assert_snapshot!(texts(&cluster(&value)), @r#"
        spec.apiEndpoint: Required value
        spec.secretRef.name: Required value
        spec.disabledTLSValidations: Invalid value: ["*","SubjectName"]: when * is specified, it is expected to be the only option in list
        spec.proxyURL: Invalid value: "ftp://x": proxy URL scheme must be one of: [http, https, socks5]
        "#);
        assert!(cluster(&json!({"spec": {"mode": "Pull"}})).is_empty());
    }

    #[test]
    fn durations_and_counts_must_be_positive() {
        let mut value = json!({"spec": {"scope": "Cluster", "clusterHealthCheck": {"period": "0s", "failureThreshold": 0}, "leaderElect": {"leaseDuration": "5s", "renewDeadline": "6s"}}});
        set_defaults(&mut value);
        let old = json!({"spec": {"scope": "Namespaced"}});
        insta::assert_snapshot!(texts(&config(&value, Some(&old))), @r#"
        spec.scope: Invalid value: "Cluster": field is immutable
        spec.leaderElect.leaseDuration: Invalid value: "5s": leaseDuration must be greater than renewDeadline
        spec.leaderElect.renewDeadline: Invalid value: "6s": renewDeadline must be greater than retryPeriod*JitterFactor(1.2)
        spec.clusterHealthCheck.period: Invalid value: "0s": should be greater than 0
        spec.clusterHealthCheck.failureThreshold: Invalid value: 0: should be greater than 0
        "#);
    }
}
