//! Endpoints and endpoint slices.

use comity_core::{Value, object};

use super::cells::{At, Cells, first_of, number, or, scalar, text};

const SHOWN: usize = 3;

pub(super) fn endpoints(object: &Value, at: At) -> Cells {
    let subsets = object::items_at(object, &["subsets"]);
    let mut all = Vec::new();
    for subset in subsets {
        let addresses = object::items_at(subset, &["addresses"]).iter().map(|address| text(address, &["ip"]));
        let ports = object::items_at(subset, &["ports"]);
        if ports.is_empty() {
            all.extend(addresses.map(str::to_owned));
            continue;
        }
        for port in ports {
            let port = number(port, &["port"]);
            all.extend(addresses.clone().map(|ip| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }));
        }
    }
    let shown = if subsets.is_empty() { "<none>".to_owned() } else { first_of(&all, SHOWN, ",") };
    vec![object::name(object).into(), shown.into(), at.age(object)]
}

pub(super) fn endpoint_slice(object: &Value, at: At) -> Cells {
    let ports: Vec<String> = object::items_at(object, &["ports"])
        .iter()
        .map(|port| match (port.get("port"), port.get("name")) {
            (Some(number), _) if !number.is_null() => scalar(number),
            (_, Some(Value::String(name))) => name.clone(),
            _ => "*".to_owned(),
        })
        .collect();
    let addresses: Vec<String> = object::items_at(object, &["endpoints"])
        .iter()
        .flat_map(|endpoint| object::items_at(endpoint, &["addresses"]))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    vec![
        object::name(object).into(),
        text(object, &["addressType"]).into(),
        or(&first_of(&ports, SHOWN, ","), "<unset>").into(),
        or(&first_of(&addresses, SHOWN, ","), "<unset>").into(),
        at.age(object),
    ]
}
