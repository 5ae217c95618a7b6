//! What pods need and what nodes have left.

use std::collections::{BTreeMap, BTreeSet};

use comity_core::{Value, object, quantity::Quantity};

/// What a pod without requests counts as when nodes are compared, so that such pods spread too.
const USUAL_CPU: i64 = 100;
const USUAL_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts by resource; CPU in thousandths, everything else in units.
pub(super) type Amounts = BTreeMap<String, i64>;

/// What a pod takes of its node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Needs {
    pub(super) amounts: Amounts,
    /// Host ports as `protocol/address/port`.
    pub(super) ports: BTreeSet<(String, String, i64)>,
}

/// Reads a list of quantities.
pub(super) fn amounts(list: Option<&Value>) -> Amounts {
    let all = list.and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), amount(name, value)?))).collect()
}

fn amount(name: &str, value: &Value) -> Option<i64> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let quantity = Quantity::parse(&text)?;
    Some(if name == "cpu" { quantity.milli() } else { quantity.units() })
}

pub(super) fn of_pod(pod: &Value) -> Needs {
    let requests = |container: &Value| amounts(object::at(container, &["resources", "requests"]));
    let mut whole = Amounts::new();
    let mut ports = BTreeSet::new();
    for container in object::items_at(pod, &["spec", "containers"]) {
        add(&mut whole, &requests(container));
        for port in object::items_at(container, &["ports"]) {
            if let Some(number) = object::int_at(port, &["hostPort"]).filter(|number| *number > 0) {
                let text = |key: &str, default: &str| match object::str_at(port, &[key]) {
                    "" => default.to_owned(),
                    text => text.to_owned(),
                };
                ports.insert((text("protocol", "TCP"), text("hostIP", "0.0.0.0"), number));
            }
        }
    }
    // sidecars stay beside the containers; other init containers run alone, with the sidecars before them
    let (mut sidecars, mut highest) = (Amounts::new(), Amounts::new());
    for container in object::items_at(pod, &["spec", "initContainers"]) {
        let mut wanted = requests(container);
        if container["restartPolicy"] == "Always" {
            add(&mut whole, &wanted);
            add(&mut sidecars, &wanted);
        } else {
            add(&mut wanted, &sidecars);
            raise(&mut highest, &wanted);
        }
    }
    raise(&mut whole, &highest);
    add(&mut whole, &amounts(object::at(pod, &["spec", "overhead"])));
    whole.insert("pods".to_owned(), 1);
    Needs { amounts: whole, ports }
}

pub(super) fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = to.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*amount);
    }
}

fn raise(to: &mut Amounts, floor: &Amounts) {
    for (name, amount) in floor {
        let present = to.entry(name.clone()).or_default();
        *present = (*present).max(*amount);
    }
}

/// CPU and memory for comparing nodes.
pub(super) fn weight(needs: &Needs) -> (i64, i64) {
    let of = |name: &str, usual: i64| needs.amounts.get(name).copied().filter(|amount| *amount > 0).unwrap_or(usual);
    (of("cpu", USUAL_CPU), of("memory", USUAL_MEMORY))
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn needs_count_sidecars_init_containers_overhead_and_host_ports() {
        let resources = |cpu: &str, memory: &str| json!({"requests": {"cpu": cpu, "memory": memory}});
        let pod = json!({"spec": {
            "containers": [{"resources": resources("100m", "1Gi"), "ports": [{"hostPort": 80}]}, {"resources": resources("0.2", "1Gi")}],
            "initContainers": [{"resources": resources("1", "1Gi")}, {"restartPolicy": "Always", "resources": resources("50m", "1Gi")}],
            "overhead": {"cpu": "10m"},
        }});
        let needs = of_pod(&pod);
        assert_eq!(needs.amounts["cpu"], 1010);
        assert_eq!(needs.amounts["memory"], 3 * 1024 * 1024 * 1024);
        assert_eq!(needs.amounts["pods"], 1);
        assert_eq!(needs.ports.len(), 1);
    }
}
