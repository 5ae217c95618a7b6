//! Services, ingresses and what belongs to them.

use comity_core::{Value, object};

use super::cells::{At, Cells, first_of, labels, number, or, selector, text};

pub(super) fn service(object: &Value, at: At) -> Cells {
    let spec = |key: &str| text(object, &["spec", key]);
    let cluster_ip = object::items_at(object, &["spec", "clusterIPs"]).first().and_then(Value::as_str).unwrap_or("");
    let ports: Vec<String> = object::items_at(object, &["spec", "ports"])
        .iter()
        .map(|port| {
            let (number, node) = (number(port, &["port"]), number(port, &["nodePort"]));
            let node = if node > 0 { format!(":{node}") } else { String::new() };
            format!("{number}{node}/{}", or(text(port, &["protocol"]), "TCP"))
        })
        .collect();
    vec![
        object::name(object).into(),
        spec("type").into(),
        or(cluster_ip, "<none>").into(),
        external_ip(object).into(),
        or(&ports.join(","), "<none>").into(),
        at.age(object),
        labels(object::at(object, &["spec", "selector"])).into(),
    ]
}

fn external_ip(object: &Value) -> String {
    let fixed = object::items_at(object, &["spec", "externalIPs"]).iter().filter_map(Value::as_str).map(str::to_owned);
    match text(object, &["spec", "type"]) {
        "ClusterIP" | "NodePort" => or(&fixed.collect::<Vec<_>>().join(","), "<none>").to_owned(),
        "LoadBalancer" => {
            let all: Vec<String> = load_balancer(object).into_iter().chain(fixed).collect();
            or(&all.join(","), "<pending>").to_owned()
        }
        "ExternalName" => text(object, &["spec", "externalName"]).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// Addresses and names under which a load balancer is reached, sorted.
fn load_balancer(object: &Value) -> Vec<String> {
    let mut all: Vec<String> = object::items_at(object, &["status", "loadBalancer", "ingress"])
        .iter()
        .map(|ingress| or(text(ingress, &["ip"]), text(ingress, &["hostname"])).to_owned())
        .filter(|address| !address.is_empty())
        .collect();
    all.sort();
    all.dedup();
    all
}

pub(super) fn ingress(object: &Value, at: At) -> Cells {
    let tls = object::items_at(object, &["spec", "tls"]).is_empty();
    vec![
        object::name(object).into(),
        or(text(object, &["spec", "ingressClassName"]), "<none>").into(),
        hosts(object::items_at(object, &["spec", "rules"])).into(),
        load_balancer(object).join(",").into(),
        if tls { "80" } else { "80, 443" }.into(),
        at.age(object),
    ]
}

/// The first three hosts; the count of the others is that of the rules, as kubectl has it.
fn hosts(rules: &[Value]) -> String {
    let mut list = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= list.len() == 3;
        let host = text(rule, &["host"]);
        if !more && !host.is_empty() {
            list.push(host);
        }
    }
    match (list.join(","), more) {
        (hosts, _) if hosts.is_empty() => "*".to_owned(),
        (hosts, true) => format!("{hosts} + {} more...", rules.len() - 3),
        (hosts, false) => hosts,
    }
}

pub(super) fn ingress_class(object: &Value, at: At) -> Cells {
    let default = object::annotation(object, "ingressclass.kubernetes.io/is-default-class") == Some("true");
    let name = format!("{}{}", object::name(object), if default { " (default)" } else { "" });
    let parameters = object::at(object, &["spec", "parameters"]).map_or_else(
        || "<none>".to_owned(),
        |parameters| {
            let group = text(parameters, &["apiGroup"]);
            let group = if group.is_empty() { String::new() } else { format!(".{group}") };
            format!("{}{group}/{}", text(parameters, &["kind"]), text(parameters, &["name"]))
        },
    );
    vec![name.into(), text(object, &["spec", "controller"]).into(), parameters.into(), at.age(object)]
}

pub(super) fn network_policy(object: &Value, at: At) -> Cells {
    let pods = selector(object::at(object, &["spec", "podSelector"]));
    vec![object::name(object).into(), or(&pods, "<none>").into(), at.age(object)]
}

pub(super) fn ip_address(object: &Value, at: At) -> Cells {
    let parent = object::at(object, &["spec", "parentRef"]).map_or_else(
        || "<none>".to_owned(),
        |parent| {
            let part = |key: &str| text(parent, &[key]);
            let group = if part("group").is_empty() { String::new() } else { format!(".{}", part("group")) };
            let namespace = if part("namespace").is_empty() { String::new() } else { format!("/{}", part("namespace")) };
            format!("{}{namespace}/{}", format!("{}{group}", part("resource")).to_lowercase(), part("name"))
        },
    );
    // Three cells for two columns: so does the real server.
    vec![object::name(object).into(), parent.into(), at.age(object)]
}

pub(super) fn service_cidr(object: &Value, at: At) -> Cells {
    let cidrs: Vec<String> = object::items_at(object, &["spec", "cidrs"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    vec![object::name(object).into(), first_of(&cidrs, usize::MAX, ",").into(), at.age(object)]
}
