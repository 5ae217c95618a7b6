//! Rules for EndpointSlices and Endpoints.

use std::net::IpAddr;

use comity_core::{FieldError, Value, names};

use super::report::{Report, items, text};

const NO_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

pub(super) fn slice(report: &mut Report, v: &Value, old: Option<&Value>) {
    let kind = text(v, "addressType");
    report.one_of("addressType", kind, &["FQDN", "IPv4", "IPv6"]);
    for (index, endpoint) in items(v, "endpoints").iter().enumerate().filter(|_| matches!(kind, "FQDN" | "IPv4" | "IPv6")) {
        let at = format!("endpoints[{index}].addresses");
        let addresses = items(endpoint, "addresses");
        if addresses.is_empty() {
            report.required(at.clone(), "must contain at least 1 address");
        }
        for (place, address) in addresses.iter().enumerate() {
            one_address(report, address.as_str().unwrap_or_default(), kind, &at, place);
        }
    }
    let mut taken = Vec::new();
    for (index, port) in items(v, "ports").iter().enumerate() {
        let (at, name) = (format!("ports[{index}]"), text(port, "name"));
        if !name.is_empty() {
            report.broken(&format!("{at}.name"), name, names::dns1123_label(name));
        }
        if taken.contains(&name) {
            report.errors.push(FieldError::duplicate(format!("{at}.name"), &name.into()));
        }
        taken.push(name);
        report.one_of(format!("{at}.protocol"), text(port, "protocol"), &["SCTP", "TCP", "UDP"]);
    }
    if let Some(old) = old {
        report.immutable(v, old, "", "addressType");
    }
}

fn one_address(report: &mut Report, text: &str, kind: &str, list: &str, place: usize) {
    let at = format!("{list}[{place}]");
    if kind == "FQDN" {
        return report.broken(&at, text, names::dns1123_subdomain(text));
    }
    let Ok(ip) = text.parse::<IpAddr>() else { return report.invalid(at, &text.into(), NO_IP) };
    match (kind, ip) {
        ("IPv4", IpAddr::V6(_)) => report.invalid(list, &text.into(), "must be an IPv4 address"),
        ("IPv6", IpAddr::V4(_)) => report.invalid(list, &text.into(), "must be an IPv6 address"),
        _ => {}
    }
    special(report, ip, &at);
}

/// Addresses that no endpoint can have.
fn special(report: &mut Report, ip: IpAddr, at: &str) {
    let value = Value::from(ip.to_string());
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let link_local_multicast = match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(ip) => ip.segments()[0] == 0xff02,
    };
    if ip.is_unspecified() {
        report.invalid(at, &value, "may not be unspecified (0.0.0.0 or ::)");
    }
    if ip.is_loopback() {
        report.invalid(at, &value, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        report.invalid(at, &value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if link_local_multicast {
        report.invalid(at, &value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

pub(super) fn endpoints(report: &mut Report, v: &Value) {
    for (index, subset) in items(v, "subsets").iter().enumerate() {
        let at = format!("subsets[{index}]");
        if items(subset, "addresses").is_empty() && items(subset, "notReadyAddresses").is_empty() {
            report.required(at.clone(), "must specify `addresses` or `notReadyAddresses`");
        }
        for list in ["addresses", "notReadyAddresses"] {
            for (place, address) in items(subset, list).iter().enumerate() {
                let (at, ip) = (format!("{at}.{list}[{place}].ip"), text(address, "ip"));
                match ip.parse::<IpAddr>() {
                    Ok(ip) => special(report, ip, &at),
                    Err(_) => {
                        report.invalid(at.clone(), &ip.into(), NO_IP);
                        report.invalid(at, &ip.into(), "must be a valid IP address");
                    }
                }
            }
        }
        let ports = items(subset, "ports");
        for (place, port) in ports.iter().enumerate() {
            let (at, name) = (format!("{at}.ports[{place}]"), text(port, "name"));
            if name.is_empty() && ports.len() > 1 {
                report.required(format!("{at}.name"), "");
            } else if !name.is_empty() {
                report.broken(&format!("{at}.name"), name, names::dns1123_label(name));
            }
            report.port(format!("{at}.port"), port.get("port").and_then(Value::as_i64).unwrap_or(0));
            report.one_of(format!("{at}.protocol"), text(port, "protocol"), &["SCTP", "TCP", "UDP"]);
        }
    }
}
