//! Rules for ConfigMaps, Secrets, Namespaces, claims, quotas and limits.

use comity_core::{FieldError, Map, Value, names, object, quantity::Quantity};

use super::report::{Report, has, items, same, shown, text};

const LIMIT: usize = 1024 * 1024;
const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn data_key(report: &mut Report, path: &str, key: &str) {
    let mut wrong = Vec::new();
    if key.len() > 253 {
        wrong.push("must be no more than 253 bytes".to_owned());
    }
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        wrong.push(KEY.to_owned());
    }
    match key {
        "." => wrong.push("must not be '.'".to_owned()),
        ".." => wrong.push("must not be '..'".to_owned()),
        k if k.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    report.broken(&format!("{path}[{key}]"), key, wrong);
}

fn map<'a>(v: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    v.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn decoded(value: &Value) -> Vec<u8> {
    crate::walk::bytes_of(value.as_str().unwrap_or_default()).unwrap_or_default()
}

fn frozen(report: &mut Report, v: &Value, old: Option<&Value>, keys: &[&str]) {
    let Some(old) = old.filter(|o| o.get("immutable") == Some(&Value::Bool(true))) else { return };
    let why = "field is immutable when `immutable` is set";
    if v.get("immutable") != Some(&Value::Bool(true)) {
        report.forbidden("immutable", why);
    }
    for key in keys {
        if !same(v.get(*key), old.get(*key)) {
            report.forbidden(*key, why);
        }
    }
}

pub(super) fn config_map(report: &mut Report, v: &Value, old: Option<&Value>) {
    frozen(report, v, old, &["data", "binaryData"]);
    let mut size = 0;
    for (key, value) in map(v, "data") {
        data_key(report, "data", key);
        if v.get("binaryData").and_then(|b| b.get(key)).is_some() {
            report.invalid(format!("data[{key}]"), &key.as_str().into(), "duplicate of key present in binaryData");
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in map(v, "binaryData") {
        data_key(report, "binaryData", key);
        size += decoded(value).len();
    }
    if size > LIMIT {
        report.errors.push(FieldError::too_long("[]", LIMIT));
    }
}

pub(super) fn secret(report: &mut Report, v: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        report.immutable(v, old, "", "type");
    }
    frozen(report, v, old, &["data"]);
    let mut size = 0;
    for (key, value) in map(v, "data") {
        data_key(report, "data", key);
        size += decoded(value).len();
    }
    if size > LIMIT {
        report.errors.push(FieldError::too_long("data", LIMIT));
    }
    let data = v.get("data").and_then(Value::as_object);
    let given = |key: &str| data.and_then(|d| d.get(key));
    let mut need = |key: &str| {
        if given(key).is_none() {
            report.required(format!("data[{key}]"), "");
        }
    };
    match text(v, "type") {
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            if object::annotation(v, key).is_none_or(str::is_empty) {
                report.required(format!("metadata.annotations[{key}]"), "");
            }
        }
        "kubernetes.io/dockercfg" => docker_config(report, given(".dockercfg"), ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => docker_config(report, given(".dockerconfigjson"), ".dockerconfigjson"),
        "kubernetes.io/basic-auth" if given("username").is_none() && given("password").is_none() => {
            need("username");
            need("password");
        }
        "kubernetes.io/ssh-auth" if given("ssh-privatekey").is_none_or(|v| v == "") => report.required("data[ssh-privatekey]", ""),
        "kubernetes.io/tls" => {
            need("tls.crt");
            need("tls.key");
        }
        _ => {}
    }
}

fn docker_config(report: &mut Report, value: Option<&Value>, key: &str) {
    let path = format!("data[{key}]");
    let Some(value) = value else { return report.required(path, "") };
    let bytes = decoded(value);
    if serde_json::from_slice::<Map<String, Value>>(&bytes).is_err() {
        let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
        let why = match first {
            None => "unexpected end of JSON input".to_owned(),
            Some(b'{') => "the content is not a JSON object".to_owned(),
            Some(b) => format!("invalid character '{}' looking for beginning of value", char::from(*b)),
        };
        report.invalid(path, &"<secret contents redacted>".into(), &why);
    }
}

pub(super) fn namespace(report: &mut Report, v: &Value) {
    for finalizer in object::items_at(v, &["spec", "finalizers"]) {
        let name = finalizer.as_str().unwrap_or_default();
        report.broken("spec.finalizers", name, names::qualified_name(name));
        if !name.contains('/') && names::qualified_name(name).is_empty() && name != "kubernetes" {
            report.invalid("spec.finalizers", &name.into(), "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

pub(super) fn claim(report: &mut Report, v: &Value, old: Option<&Value>) {
    let spec = v.get("spec").unwrap_or(&Value::Null);
    let modes = items(spec, "accessModes");
    if modes.is_empty() {
        report.required("spec.accessModes", "at least 1 access mode is required");
    }
    report.selector(spec.get("selector"), "spec.selector");
    for mode in modes {
        let supported = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
        report.one_of("spec.accessModes", mode.as_str().unwrap_or_default(), &supported);
    }
    if modes.len() > 1 && modes.iter().any(|m| m == "ReadWriteOncePod") {
        report.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
    }
    let storage = object::str_at(spec, &["resources", "requests", "storage"]);
    match Quantity::parse(storage) {
        None => report.required("spec.resources[storage]", ""),
        Some(amount) if amount <= Quantity::ZERO => {
            report.invalid("spec.resources[storage]", &amount.canonical().into(), "must be greater than zero");
        }
        Some(_) => {}
    }
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        report.broken("spec.storageClassName", class, names::dns1123_subdomain(class));
    }
    report.optional_one_of("spec.volumeMode", text(spec, "volumeMode"), &["Block", "Filesystem"]);
    if let Some(old) = old {
        claim_update(report, v, old);
    }
}

fn claim_update(report: &mut Report, v: &Value, old: &Value) {
    let (mut new, mut before) = (shown(v, "spec"), shown(old, "spec"));
    if text(&before, "volumeName").is_empty() {
        object::remove(&mut new, &["volumeName"]);
        object::remove(&mut before, &["volumeName"]);
    }
    // The class may be filled in once.
    if !has(&before, "storageClassName") {
        object::remove(&mut new, &["storageClassName"]);
    }
    if object::str_at(v, &["status", "phase"]) == "Bound" {
        for spec in [&mut new, &mut before] {
            object::remove(spec, &["resources", "requests", "storage"]);
            object::remove(spec, &["volumeAttributesClassName"]);
        }
    }
    if !same(Some(&new), Some(&before)) {
        report
            .forbidden("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims");
    }
    let size = |v: &Value, path: &[&str]| Quantity::parse(object::str_at(v, path)).unwrap_or(Quantity::ZERO);
    let path = ["spec", "resources", "requests", "storage"];
    if size(v, &path) < size(old, &path) && size(v, &path) <= size(old, &["status", "capacity", "storage"]) {
        report.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
    }
}

pub(super) fn quota(report: &mut Report, v: &Value) {
    for (name, amount) in object::at(v, &["spec", "hard"]).and_then(Value::as_object).into_iter().flatten() {
        let path = format!("spec.hard[{name}]");
        let wrong = names::qualified_name(name);
        if !wrong.is_empty() {
            report.broken(&path, name, wrong);
        } else if !name.contains('/') && !QUOTA.contains(&name.as_str()) && !name.contains("hugepages-") {
            report.invalid(path.clone(), &name.as_str().into(), "must be a standard resource type or fully qualified");
            report.invalid(path.clone(), &name.as_str().into(), "must be a standard resource for quota");
        }
        report.quantity(&path, amount);
    }
}

const QUOTA: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

/// Limits of a namespace must not contradict each other.
pub(super) fn limits(report: &mut Report, v: &Value) {
    for (index, limit) in object::items_at(v, &["spec", "limits"]).iter().enumerate() {
        let at = format!("spec.limits[{index}]");
        let amount = |key: &str, name: &str| limit.get(key).and_then(|m| m.get(name)).and_then(Value::as_str).and_then(Quantity::parse);
        let mut known: Vec<&String> = Vec::new();
        for (name, _) in ["max", "min", "default", "defaultRequest"].iter().flat_map(|key| map(limit, key)) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        for name in known {
            let [max, min, default, request] = ["max", "min", "default", "defaultRequest"].map(|key| amount(key, name));
            // (field, shown, lower, its name, higher, its name)
            let pairs = [
                ("min", min, min, "min", max, "max"),
                ("defaultRequest", request, min, "min", request, "default request"),
                ("defaultRequest", request, request, "default request", max, "max"),
                ("defaultRequest", request, request, "default request", default, "default limit"),
                ("default", min, min, "min", default, "default"),
                ("default", default, default, "default", max, "max"),
            ];
            for (field, printed, low, low_name, high, high_name) in pairs {
                if let (Some(printed), Some(low), Some(high)) = (printed, low, high)
                    && low > high
                {
                    let why = format!("{low_name} value {} is greater than {high_name} value {}", low.canonical(), high.canonical());
                    report.invalid(format!("{at}.{field}[{name}]"), &printed.canonical().into(), &why);
                }
            }
        }
    }
}
