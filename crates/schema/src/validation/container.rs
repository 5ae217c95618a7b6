//! Rules for containers.

use comity_core::{FieldError, Value, names};

use super::report::{Report, has, items, port_name, text};

/// What containers of a pod share.
pub(super) struct Pod<'a> {
    pub(super) volumes: Vec<&'a str>,
}

/// Which list a container stands in.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Sort {
    Regular,
    Init,
}

/// All containers of a list; `others` have names that are taken.
pub(super) fn all(report: &mut Report, pod: &Pod<'_>, containers: &[Value], others: &[Value], sort: Sort, path: &str) {
    let mut taken: Vec<&str> = others.iter().map(|c| text(c, "name")).collect();
    for (index, container) in containers.iter().enumerate() {
        let at = format!("{path}[{index}]");
        common(report, pod, container, &at);
        let name = text(container, "name");
        if taken.contains(&name) && !name.is_empty() {
            report.errors.push(FieldError::duplicate(format!("{at}.name"), &name.into()));
        } else {
            taken.push(name);
        }
        if sort == Sort::Init {
            host_ports(report, std::slice::from_ref(container), path);
        }
        if sort == Sort::Init && text(container, "restartPolicy") != "Always" {
            for key in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if has(container, key) {
                    report.forbidden(format!("{at}.{key}"), "may not be set for init containers without restartPolicy=Always");
                }
            }
        } else {
            lifecycle(report, container, &format!("{at}.lifecycle"));
            for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
                probe(report, container.get(key), &format!("{at}.{key}"), key != "readinessProbe");
            }
        }
    }
    if sort == Sort::Regular {
        host_ports(report, containers, path);
    }
}

fn common(report: &mut Report, pod: &Pod<'_>, container: &Value, path: &str) {
    let name = text(container, "name");
    if name.is_empty() {
        report.required(format!("{path}.name"), "");
    } else {
        report.broken(&format!("{path}.name"), name, names::dns1123_label(name));
    }
    if text(container, "image").is_empty() {
        report.required(format!("{path}.image"), "");
    }
    let policy = text(container, "terminationMessagePolicy");
    report.one_of(format!("{path}.terminationMessagePolicy"), policy, &["File", "FallbackToLogsOnError"]);
    ports(report, container, &format!("{path}.ports"));
    env(report, container, &format!("{path}.env"));
    env_from(report, container, &format!("{path}.envFrom"));
    mounts(report, pod, container, &format!("{path}.volumeMounts"));
    report.one_of(format!("{path}.imagePullPolicy"), text(container, "imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
    resources(report, container, &format!("{path}.resources"));
}

fn ports(report: &mut Report, container: &Value, path: &str) {
    let mut taken = Vec::new();
    for (index, port) in items(container, "ports").iter().enumerate() {
        let at = format!("{path}[{index}]");
        let name = text(port, "name");
        if !name.is_empty() {
            let wrong = port_name(name);
            if wrong.is_empty() && taken.contains(&name) {
                report.errors.push(FieldError::duplicate(format!("{at}.name"), &name.into()));
            } else if wrong.is_empty() {
                taken.push(name);
            }
            report.broken(&format!("{at}.name"), name, wrong);
        }
        let number = |key: &str| port.get(key).and_then(Value::as_i64).unwrap_or(0);
        if number("containerPort") == 0 {
            report.required(format!("{at}.containerPort"), "");
        } else {
            report.port(format!("{at}.containerPort"), number("containerPort"));
        }
        if number("hostPort") != 0 {
            report.port(format!("{at}.hostPort"), number("hostPort"));
        }
        report.one_of(format!("{at}.protocol"), text(port, "protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

fn host_ports(report: &mut Report, containers: &[Value], path: &str) {
    let mut taken: Vec<String> = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        for (place, port) in items(container, "ports").iter().enumerate() {
            let Some(number) = port.get("hostPort").and_then(Value::as_i64).filter(|n| *n != 0) else { continue };
            let identity = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
            if taken.contains(&identity) {
                let at = format!("{path}[{index}].ports[{place}].hostPort");
                report.errors.push(FieldError::duplicate(at, &identity.as_str().into()));
            }
            taken.push(identity);
        }
    }
}

fn env(report: &mut Report, container: &Value, path: &str) {
    for (index, variable) in items(container, "env").iter().enumerate() {
        let at = format!("{path}[{index}]");
        let name = text(variable, "name");
        if name.is_empty() {
            report.required(format!("{at}.name"), "");
        } else if !name.bytes().all(|b| (0x20..=0x7e).contains(&b) && b != b'=') {
            let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            report.invalid(format!("{at}.name"), &name.into(), why);
        }
        let Some(from) = variable.get("valueFrom").and_then(Value::as_object) else { continue };
        let at = format!("{at}.valueFrom");
        for (source, needed) in [("configMapKeyRef", "name"), ("secretKeyRef", "name"), ("configMapKeyRef", "key"), ("secretKeyRef", "key")]
        {
            if let Some(reference) = from.get(source)
                && text(reference, needed).is_empty()
            {
                report.required(format!("{at}.{source}.{needed}"), "");
            }
        }
        if let Some(reference) = from.get("fieldRef")
            && text(reference, "fieldPath").is_empty()
        {
            report.required(format!("{at}.fieldRef.fieldPath"), "");
        }
        let empty = Value::from("");
        if from.is_empty() {
            let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            report.invalid(at, &empty, why);
        } else if !text(variable, "value").is_empty() {
            report.invalid(at, &empty, "may not be specified when `value` is not empty");
        } else if from.len() > 1 {
            report.invalid(at, &empty, "may not have more than one field specified at a time");
        }
    }
}

fn env_from(report: &mut Report, container: &Value, path: &str) {
    for source in items(container, "envFrom") {
        let sources = ["configMapRef", "secretRef"].iter().filter(|k| has(source, k)).count();
        for key in ["configMapRef", "secretRef"] {
            if has(source, key) && text(&source[key], "name").is_empty() {
                report.required(format!("{path}.{key}.name"), "");
            }
        }
        match sources {
            0 => report.invalid(path, &"".into(), "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => report.invalid(path, &"".into(), "may not have more than one field specified at a time"),
        }
    }
}

fn mounts(report: &mut Report, pod: &Pod<'_>, container: &Value, path: &str) {
    let mut taken = Vec::new();
    for (index, mount) in items(container, "volumeMounts").iter().enumerate() {
        let at = format!("{path}[{index}]");
        let (name, place) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            report.required(format!("{at}.name"), "");
        }
        if !pod.volumes.contains(&name) {
            report.errors.push(FieldError::not_found(format!("{at}.name"), &name.into()));
        }
        if place.is_empty() {
            report.required(format!("{at}.mountPath"), "");
        }
        if taken.contains(&place) {
            report.invalid(format!("{at}.mountPath"), &place.into(), "must be unique");
        }
        taken.push(place);
    }
}

fn resources(report: &mut Report, container: &Value, path: &str) {
    let Some(resources) = container.get("resources") else { return };
    let of = |key: &str| resources.get(key).and_then(Value::as_object).into_iter().flatten();
    for (name, amount) in of("limits") {
        resource_name(report, name, &format!("{path}.limits[{name}]"));
        report.quantity(&format!("{path}.limits[{name}]"), amount);
    }
    for (name, amount) in of("requests") {
        let at = format!("{path}.requests[{name}]");
        resource_name(report, name, &at);
        let Some(request) = report.quantity(&at, amount) else { continue };
        let limit = resources.get("limits").and_then(|l| l.get(name));
        let Some(limit) = limit.and_then(Value::as_str).and_then(comity_core::quantity::Quantity::parse) else { continue };
        let overcommit = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        let (canonical, bound) = (Value::from(request.canonical()), limit.canonical());
        if !overcommit && request != limit {
            report.invalid(format!("{path}.requests"), &canonical, &format!("must be equal to {name} limit of {bound}"));
        } else if request > limit {
            report.invalid(format!("{path}.requests"), &canonical, &format!("must be less than or equal to {name} limit of {bound}"));
        }
    }
}

fn resource_name(report: &mut Report, name: &str, path: &str) {
    let wrong = names::qualified_name(name);
    if !wrong.is_empty() {
        report.broken(path, name, wrong);
    } else if !name.contains('/') && !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !name.starts_with("hugepages-") {
        report.invalid(path, &name.into(), "must be a standard resource type or fully qualified");
        report.invalid(path, &name.into(), "must be a standard resource for containers");
    }
}

fn lifecycle(report: &mut Report, container: &Value, path: &str) {
    let Some(lifecycle) = container.get("lifecycle") else { return };
    for key in ["postStart", "preStop"] {
        if let Some(hook) = lifecycle.get(key) {
            handler(report, hook, &format!("{path}.{key}"));
        }
    }
}

fn probe(report: &mut Report, probe: Option<&Value>, path: &str, succeeds_once: bool) {
    let Some(probe) = probe.filter(|p| p.is_object()) else { return };
    handler(report, probe, path);
    for key in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        report.nonnegative(probe, path, key);
    }
    let number = |key: &str| probe.get(key).and_then(Value::as_i64);
    if let Some(grace) = number("terminationGracePeriodSeconds").filter(|g| *g <= 0) {
        report.invalid(format!("{path}.terminationGracePeriodSeconds"), &grace.into(), "must be greater than 0");
    }
    if let Some(threshold) = number("successThreshold").filter(|t| succeeds_once && *t != 1) {
        report.invalid(format!("{path}.successThreshold"), &threshold.into(), "must be 1");
    }
}

fn handler(report: &mut Report, handler: &Value, path: &str) {
    let mut seen = false;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let Some(action) = handler.get(kind).filter(|a| a.is_object()) else { continue };
        let at = format!("{path}.{kind}");
        if seen {
            report.forbidden(at, "may not specify more than 1 handler type");
            continue;
        }
        seen = true;
        match kind {
            "exec" if items(action, "command").is_empty() => report.required(format!("{at}.command"), ""),
            "httpGet" => {
                if text(action, "path").is_empty() {
                    report.required(format!("{at}.path"), "");
                }
                report.port_or_name(&format!("{at}.port"), action.get("port"));
                report.one_of(format!("{at}.scheme"), text(action, "scheme"), &["HTTP", "HTTPS"]);
            }
            "tcpSocket" => report.port_or_name(&format!("{at}.port"), action.get("port")),
            "grpc" => report.port(format!("{at}.port"), action.get("port").and_then(Value::as_i64).unwrap_or(0)),
            _ => {}
        }
    }
    if !seen {
        report.required(path, "must specify a handler type");
    }
}
