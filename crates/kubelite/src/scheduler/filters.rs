//! Whether a pod may go to a node, by its labels and taints.

use comity_core::{Value, object};

/// Why a node is refused; `None` when nothing stands against it.
pub(super) fn refused(pod: &Value, node: &Value) -> Option<String> {
    let unschedulable = object::at(node, &["spec", "unschedulable"]) == Some(&Value::Bool(true));
    let cordon = comity_core::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    if unschedulable && !tolerated(pod, &cordon) {
        return Some("node(s) were unschedulable".to_owned());
    }
    if let Some(taint) = untolerated(pod, node, &["NoSchedule", "NoExecute"]) {
        let value = object::str_at(taint, &["value"]);
        return Some(format!("node(s) had untolerated taint {{{}: {value}}}", object::str_at(taint, &["key"])));
    }
    if !matches_selector(pod, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    None
}

/// The first taint of these effects that a pod does not tolerate. The taint of a cordon is told as such.
pub(crate) fn untolerated<'a>(pod: &Value, node: &'a Value, effects: &[&str]) -> Option<&'a Value> {
    let taints = object::items_at(node, &["spec", "taints"]).iter();
    taints.filter(|taint| effects.contains(&object::str_at(taint, &["effect"]))).find(|taint| !tolerated(pod, taint))
}

fn tolerated(pod: &Value, taint: &Value) -> bool {
    object::items_at(pod, &["spec", "tolerations"]).iter().any(|toleration| {
        let of = |key: &str| object::str_at(toleration, &[key]);
        let effect = of("effect").is_empty() || of("effect") == object::str_at(taint, &["effect"]);
        let key = of("key").is_empty() || of("key") == object::str_at(taint, &["key"]);
        let value = match of("operator") {
            "Exists" => true,
            _ => !of("key").is_empty() && of("value") == object::str_at(taint, &["value"]),
        };
        effect && key && value
    })
}

/// `nodeSelector` and the required node affinity.
pub(crate) fn matches_selector(pod: &Value, node: &Value) -> bool {
    let wanted = object::at(pod, &["spec", "nodeSelector"]).and_then(Value::as_object);
    if !wanted.into_iter().flatten().all(|(key, value)| object::label(node, key) == value.as_str()) {
        return false;
    }
    let required = object::at(pod, &["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
    required.is_none_or(|required| object::items_at(required, &["nodeSelectorTerms"]).iter().any(|term| matches_term(term, node)))
}

/// The weights of the preferred terms that a node matches.
pub(super) fn preference(pod: &Value, node: &Value) -> i64 {
    let preferred = object::items_at(pod, &["spec", "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution"]);
    let matching = preferred.iter().filter(|p| p.get("preference").is_some_and(|term| matches_term(term, node)));
    matching.filter_map(|p| object::int_at(p, &["weight"])).sum()
}

/// A term without requirements matches nothing.
fn matches_term(term: &Value, node: &Value) -> bool {
    let (labels, fields) = (object::items_at(term, &["matchExpressions"]), object::items_at(term, &["matchFields"]));
    let name = |r: &Value| (object::str_at(r, &["key"]) == "metadata.name").then(|| object::name(node));
    !(labels.is_empty() && fields.is_empty())
        && labels.iter().all(|r| holds(r, object::label(node, object::str_at(r, &["key"]))))
        && fields.iter().all(|r| holds(r, name(r)))
}

fn holds(requirement: &Value, value: Option<&str>) -> bool {
    let values = object::items_at(requirement, &["values"]);
    let among = |value: &str| values.iter().any(|v| v == value);
    let number = |text: &str| text.parse::<i64>().ok();
    let compare = |greater: bool| match (value.and_then(number), values.first().and_then(Value::as_str).and_then(number)) {
        (Some(value), Some(limit)) => {
            if greater {
                value > limit
            } else {
                value < limit
            }
        }
        _ => false,
    };
    match object::str_at(requirement, &["operator"]) {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compare(true),
        "Lt" => compare(false),
        _ => false,
    }
}
