//! Services: cluster addresses, families and node ports.

mod addresses;

use async_trait::async_trait;
use comity_core::{FieldError, Status, Value, json, object};

pub use addresses::Allocator;

use super::{Change, KindHooks};
use crate::cx::Cx;

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        if change.subresource == "status" {
            return Ok(());
        }
        if old.is_none() {
            object::set(new, &["status"], json!({"loadBalancer": {}}));
        }
        if let Some(old) = old {
            carry_over(new, old);
            check_address_kept(change, new, old)?;
        }
        families(new);
        let mut taken = Vec::new();
        let errors = allocate(&change.cx.services, new, old, change.dry_run, &mut taken);
        if errors.is_empty() {
            return Ok(());
        }
        change.cx.services.release(&taken);
        Err(Status::invalid(&change.resource.group_kind(), object::name(new), &errors))
    }

    fn abandoned(&self, cx: &Cx, new: &Value, old: Option<&Value>) {
        let before = old.map(addresses::used_by).unwrap_or_default();
        let taken: Vec<_> = addresses::used_by(new).into_iter().filter(|a| !before.contains(a)).collect();
        cx.services.release(&taken);
    }

    async fn stored(&self, cx: &Cx, new: Option<&Value>, old: Option<&Value>) {
        let (Some(old), kept) = (old, new.map(addresses::used_by).unwrap_or_default()) else { return };
        let freed: Vec<_> = addresses::used_by(old).into_iter().filter(|a| !kept.contains(a)).collect();
        cx.services.release(&freed);
    }
}

fn kind(service: &Value) -> &str {
    match object::str_at(service, &["spec", "type"]) {
        "" => "ClusterIP",
        kind => kind,
    }
}

fn needs_address(service: &Value) -> bool {
    kind(service) != "ExternalName"
}

fn is_headless(service: &Value) -> bool {
    let first = object::items_at(service, &["spec", "clusterIPs"]).first().and_then(Value::as_str);
    object::str_at(service, &["spec", "clusterIP"]) == "None" || first == Some("None")
}

fn needs_node_ports(service: &Value) -> bool {
    match kind(service) {
        "NodePort" => true,
        "LoadBalancer" => object::at(service, &["spec", "allocateLoadBalancerNodePorts"]) != Some(&Value::Bool(false)),
        _ => false,
    }
}

/// What an update leaves out stays as it was allocated; what the new type has no use for goes.
fn carry_over(new: &mut Value, old: &Value) {
    if needs_address(old) && needs_address(new) {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            let empty = object::at(new, &["spec", field]).is_none_or(|v| v == "" || v.as_array().is_some_and(Vec::is_empty));
            if empty && let Some(value) = object::at(old, &["spec", field]) {
                object::set(new, &["spec", field], value.clone());
            }
        }
    } else if !needs_address(new) {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if object::at(new, &["spec", field]) == object::at(old, &["spec", field]) {
                object::remove(new, &["spec", field]);
            }
        }
    }
    let before = object::items_at(old, &["spec", "ports"]).to_vec();
    let Some(ports) = new.get_mut("spec").and_then(|s| s.get_mut("ports")).and_then(Value::as_array_mut) else { return };
    let wants = matches!(old["spec"]["type"].as_str(), Some("NodePort" | "LoadBalancer"));
    for port in ports {
        let same = |other: &&Value| other.get("port") == port.get("port") && other.get("protocol") == port.get("protocol");
        if wants
            && port.get("nodePort").is_none_or(|p| p == 0)
            && let Some(number) = before.iter().find(same).and_then(|p| p.get("nodePort"))
        {
            object::set(port, &["nodePort"], number.clone());
        }
    }
    if !needs_node_ports(new) && needs_node_ports(old) && kind(new) == "ClusterIP" {
        drop_node_ports(new, &before);
    }
}

/// Node ports that were only carried along go with the type that needed them.
fn drop_node_ports(new: &mut Value, before: &[Value]) {
    let Some(ports) = new.get_mut("spec").and_then(|s| s.get_mut("ports")).and_then(Value::as_array_mut) else { return };
    for port in ports {
        if before.iter().any(|other| other.get("nodePort").is_some() && other.get("nodePort") == port.get("nodePort")) {
            object::remove(port, &["nodePort"]);
        }
    }
}

/// An address that was given out stays.
fn check_address_kept(change: &Change<'_>, new: &Value, old: &Value) -> Result<(), Status> {
    let (is, was) = (object::str_at(new, &["spec", "clusterIP"]), object::str_at(old, &["spec", "clusterIP"]));
    if !needs_address(new) || !needs_address(old) || was.is_empty() || is == was {
        return Ok(());
    }
    let error = FieldError::invalid("spec.clusterIPs[0]", &json!([is]), "may not change once set");
    Err(Status::invalid(&change.resource.group_kind(), object::name(new), &[error]))
}

/// Address families of a cluster that has IPv4 only.
fn families(service: &mut Value) {
    if !needs_address(service) {
        return;
    }
    let selectorless = object::at(service, &["spec", "selector"]).and_then(Value::as_object).is_none_or(comity_core::Map::is_empty);
    let both = is_headless(service) && selectorless;
    if object::str_at(service, &["spec", "ipFamilyPolicy"]).is_empty() {
        object::set(service, &["spec", "ipFamilyPolicy"], if both { "RequireDualStack" } else { "SingleStack" }.into());
    }
    if object::items_at(service, &["spec", "ipFamilies"]).is_empty() {
        object::set(service, &["spec", "ipFamilies"], if both { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) });
    }
}

/// Takes addresses and ports; what was taken is told even when there are errors.
fn allocate(
    allocator: &Allocator,
    service: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
    taken: &mut Vec<addresses::Used>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let before = old.map(addresses::used_by).unwrap_or_default();
    if needs_address(service) {
        let first = object::items_at(service, &["spec", "clusterIPs"]).first().and_then(Value::as_str).unwrap_or("").to_owned();
        let given = match object::str_at(service, &["spec", "clusterIP"]) {
            "" => first,
            given => given.to_owned(),
        };
        if is_headless(service) {
            object::set(service, &["spec", "clusterIP"], "None".into());
            object::set(service, &["spec", "clusterIPs"], json!(["None"]));
        } else {
            match allocator.address(&given, &before, dry_run) {
                Ok(address) => {
                    if !before.contains(&addresses::Used::Address(address)) && !dry_run {
                        taken.push(addresses::Used::Address(address));
                    }
                    object::set(service, &["spec", "clusterIP"], address.to_string().into());
                    object::set(service, &["spec", "clusterIPs"], json!([address.to_string()]));
                }
                Err(why) => errors.push(FieldError::invalid("spec.clusterIPs", &json!([given]), &why)),
            }
        }
    }
    let wanted = needs_node_ports(service);
    let mut numbers: Vec<(u16, String)> = Vec::new();
    if let Some(ports) = service.get_mut("spec").and_then(|s| s.get_mut("ports")).and_then(Value::as_array_mut) {
        for (index, port) in ports.iter_mut().enumerate() {
            let given = port.get("nodePort").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
            let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned();
            if (!wanted && given == 0) || (given != 0 && numbers.iter().any(|(n, p)| *n == given && *p != protocol)) {
                continue;
            }
            match allocator.port(given, &before, dry_run) {
                Ok(number) => {
                    if !before.contains(&addresses::Used::Port(number)) && !dry_run {
                        taken.push(addresses::Used::Port(number));
                    }
                    numbers.push((number, protocol));
                    object::set(port, &["nodePort"], number.into());
                }
                Err(why) => errors.push(FieldError::invalid(format!("spec.ports[{index}].nodePort"), &json!(given), &why)),
            }
        }
    }
    if object::str_at(service, &["spec", "externalTrafficPolicy"]) == "Local" && kind(service) == "LoadBalancer" {
        let given = object::int_at(service, &["spec", "healthCheckNodePort"]).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        match allocator.port(given, &before, dry_run) {
            Ok(number) => {
                if !before.contains(&addresses::Used::Port(number)) && !dry_run {
                    taken.push(addresses::Used::Port(number));
                }
                object::set(service, &["spec", "healthCheckNodePort"], number.into());
            }
            Err(why) => errors.push(FieldError::invalid("spec.healthCheckNodePort", &json!(given), &why)),
        }
    } else {
        object::remove(service, &["spec", "healthCheckNodePort"]);
    }
    if matches!(kind(service), "ClusterIP" | "ExternalName") && old.is_some_and(|o| !matches!(kind(o), "ClusterIP" | "ExternalName")) {
        object::remove(service, &["spec", "externalTrafficPolicy"]);
    }
    errors
}
