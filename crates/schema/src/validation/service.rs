//! Rules for Services.

use std::net::IpAddr;

use comity_core::{FieldError, Value, names};
use serde_json::json;

use super::report::{Report, has, items, text};

const NO_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

pub(super) fn service(report: &mut Report, v: &Value, old: Option<&Value>) {
    let normal = normalized(v.get("spec").unwrap_or(&Value::Null), old.and_then(|o| o.get("spec")));
    let spec = &normal;
    if let Some(old) = old {
        fixed_addresses(report, spec, old.get("spec").unwrap_or(&Value::Null));
    }
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None" || items(spec, "clusterIPs").first().is_some_and(|ip| ip == "None");
    let ports = items(spec, "ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        report.required("spec.ports", "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            report.invalid("spec.clusterIPs[0]", &"None".into(), &format!("may not be set to 'None' for {kind} services"));
        }
        "ExternalName" => external_name(report, spec),
        _ => {}
    }
    let mut taken = Vec::new();
    for (index, one) in ports.iter().enumerate() {
        port(report, one, ports.len() > 1, &mut taken, &format!("spec.ports[{index}]"));
    }
    report.labels(spec.get("selector").and_then(Value::as_object), "spec.selector");
    report.one_of("spec.sessionAffinity", text(spec, "sessionAffinity"), &["ClientIP", "None"]);
    if text(spec, "sessionAffinity") == "None" && has(spec, "sessionAffinityConfig") {
        report.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None");
    }
    if kind != "ExternalName" {
        addresses(report, spec);
    }
    for (index, ip) in items(spec, "externalIPs").iter().enumerate() {
        let ip = ip.as_str().unwrap_or_default();
        if ip.parse::<IpAddr>().is_err() {
            report.invalid(format!("spec.externalIPs[{index}]"), &ip.into(), NO_IP);
        }
    }
    report.one_of("spec.type", kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    repeated_ports(report, ports, kind);
    if kind != "LoadBalancer" {
        if !items(spec, "loadBalancerSourceRanges").is_empty() {
            report.forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'");
        }
        if has(spec, "allocateLoadBalancerNodePorts") {
            report.forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'");
        }
        if has(spec, "loadBalancerClass") {
            report.forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'");
        }
    }
    policies(report, spec, kind);
}

/// An old client changes only `clusterIP`; the list then follows it. No address at all means that the old ones stay.
fn normalized(spec: &Value, before: Option<&Value>) -> Value {
    let mut spec = spec.clone();
    let Some(before) = before.filter(|b| items(b, "clusterIPs") == items(&spec, "clusterIPs")) else { return spec };
    let (ip, old) = (text(&spec, "clusterIP").to_owned(), text(before, "clusterIP"));
    if ip == old {
        return spec;
    }
    if let Some(map) = spec.as_object_mut() {
        if ip.is_empty() {
            map.shift_remove("clusterIPs");
        } else {
            map.insert("clusterIPs".to_owned(), json!([ip]));
        }
    }
    spec
}

fn external_name(report: &mut Report, spec: &Value) {
    for key in ["clusterIPs", "ipFamilies"] {
        if !items(spec, key).is_empty() {
            report.forbidden(format!("spec.{key}"), "may not be set for ExternalName services");
        }
    }
    if has(spec, "ipFamilyPolicy") {
        report.forbidden("spec.ipFamilyPolicy", "may not be set for ExternalName services");
    }
    let name = text(spec, "externalName").trim_end_matches('.');
    if name.is_empty() {
        report.required("spec.externalName", "");
    } else {
        report.broken("spec.externalName", name, names::dns1123_subdomain(name));
    }
}

fn port<'a>(report: &mut Report, port: &'a Value, needs_name: bool, taken: &mut Vec<&'a str>, path: &str) {
    let name = text(port, "name");
    if name.is_empty() {
        if needs_name {
            report.required(format!("{path}.name"), "");
        }
    } else {
        report.broken(&format!("{path}.name"), name, names::dns1123_label(name));
        if taken.contains(&name) {
            report.errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
        } else {
            taken.push(name);
        }
    }
    report.port(format!("{path}.port"), port.get("port").and_then(Value::as_i64).unwrap_or(0));
    report.one_of(format!("{path}.protocol"), text(port, "protocol"), &["SCTP", "TCP", "UDP"]);
    report.port_or_name(&format!("{path}.targetPort"), port.get("targetPort"));
    let protocol = text(port, "appProtocol");
    if !protocol.is_empty() {
        report.broken(&format!("{path}.appProtocol"), protocol, names::qualified_name(protocol));
    }
}

fn repeated_ports(report: &mut Report, ports: &[Value], kind: &str) {
    let number = |p: &Value, key: &str| p.get(key).and_then(Value::as_i64).unwrap_or(0);
    for (index, _) in ports.iter().enumerate().filter(|(_, p)| number(p, "nodePort") != 0) {
        if kind == "ClusterIP" {
            report.forbidden(format!("spec.ports[{index}].nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
    }
    let same = |a: &Value, b: &Value, key: &str| number(a, key) == number(b, key) && text(a, "protocol") == text(b, "protocol");
    for (index, port) in ports.iter().enumerate() {
        if number(port, "nodePort") != 0 && ports[..index].iter().any(|p| same(p, port, "nodePort")) {
            report.errors.push(FieldError::duplicate(format!("spec.ports[{index}].nodePort"), &port["nodePort"]));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        if ports[..index].iter().any(|p| same(p, port, "port")) {
            let key = json!({"Name": "", "Protocol": text(port, "protocol"), "AppProtocol": null, "Port": number(port, "port"), "TargetPort": 0, "NodePort": 0});
            report.errors.push(FieldError::duplicate(format!("spec.ports[{index}]"), &key));
        }
    }
}

fn addresses(report: &mut Report, spec: &Value) {
    let (ip, ips) = (text(spec, "clusterIP"), items(spec, "clusterIPs"));
    if let Some(first) = ips.first() {
        let all = Value::Array(ips.to_vec());
        if ip.is_empty() {
            report.invalid("spec.clusterIPs", &all, "must be empty when `clusterIP` is not specified");
        } else if first != ip {
            report.invalid("spec.clusterIPs", &all, "first value must match `clusterIP`");
        }
    }
    for (index, family) in items(spec, "ipFamilies").iter().enumerate() {
        report.one_of(format!("spec.ipFamilies[{index}]"), family.as_str().unwrap_or_default(), &["IPv4", "IPv6"]);
    }
    report.optional_one_of("spec.ipFamilyPolicy", text(spec, "ipFamilyPolicy"), &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    // A single address may be given in the old field only; it is reported where the list has it.
    let alone = [Value::from(ip)];
    let list = if ips.is_empty() && !ip.is_empty() { &alone } else { ips };
    for (index, ip) in list.iter().enumerate() {
        let text = ip.as_str().unwrap_or_default();
        if text == "None" && index == 0 && list.len() == 1 {
            continue;
        }
        if text == "None" {
            report.invalid(format!("spec.clusterIPs[{index}]"), ip, "'None' must be the first and only value");
        } else if text.parse::<IpAddr>().is_err() {
            report.invalid(format!("spec.clusterIPs[{index}]"), ip, NO_IP);
        }
    }
}

/// Addresses stay, unless the Service becomes or was an external name.
fn fixed_addresses(report: &mut Report, spec: &Value, before: &Value) {
    if text(before, "type") == "ExternalName" || text(spec, "type") == "ExternalName" {
        return;
    }
    let (new, old) = (items(spec, "clusterIPs"), items(before, "clusterIPs"));
    for (index, ip) in old.iter().enumerate() {
        if let Some(now) = new.get(index)
            && now != ip
        {
            report.invalid(format!("spec.clusterIPs[{index}]"), &Value::Array(new.to_vec()), "may not change once set");
        }
    }
    let ip = (text(spec, "clusterIP"), text(before, "clusterIP"));
    if new.is_empty() && !ip.0.is_empty() && !ip.1.is_empty() && ip.0 != ip.1 {
        report.invalid("spec.clusterIPs[0]", &json!([ip.0]), "may not change once set");
    }
}

fn policies(report: &mut Report, spec: &Value, kind: &str) {
    let external = matches!(kind, "LoadBalancer" | "NodePort") || (kind == "ClusterIP" && !items(spec, "externalIPs").is_empty());
    let policy = text(spec, "externalTrafficPolicy");
    if !external {
        if !policy.is_empty() {
            report.invalid("spec.externalTrafficPolicy", &policy.into(), "may only be set for externally-accessible services");
        }
    } else {
        let path = "spec.externalTrafficPolicy";
        if policy.is_empty() {
            report.required(path, "");
        } else {
            report.optional_one_of(path, policy, &["Cluster", "Local"]);
        }
    }
    let internal = text(spec, "internalTrafficPolicy");
    if matches!(kind, "NodePort" | "LoadBalancer" | "ClusterIP") {
        report.one_of("spec.internalTrafficPolicy", internal, &["Cluster", "Local"]);
    }
}
