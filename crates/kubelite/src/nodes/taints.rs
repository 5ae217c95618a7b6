//! Taints that follow from a node's state.

use comity_core::{Value, json, object};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const CORDONED: &str = "node.kubernetes.io/unschedulable";

/// The taints of a ready node, if they differ from those it has: new nodes come with one that says they are not ready,
/// and a cordoned node has one that says so.
pub(super) fn changed(node: &Value) -> Option<Vec<Value>> {
    let present = object::items_at(node, &["spec", "taints"]);
    let is = |taint: &Value, key: &str| taint["key"] == key && taint["effect"] == "NoSchedule";
    let cordoned = object::at(node, &["spec", "unschedulable"]) == Some(&Value::Bool(true));
    let stays = |taint: &&Value| !is(taint, NOT_READY) && (cordoned || !is(taint, CORDONED));
    let mut wanted: Vec<Value> = present.iter().filter(stays).cloned().collect();
    if cordoned && !wanted.iter().any(|taint| is(taint, CORDONED)) {
        wanted.push(json!({"key": CORDONED, "effect": "NoSchedule"}));
    }
    (wanted != present).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_nodes_lose_the_taint_of_new_ones_and_cordoned_nodes_have_theirs() {
        let node = |taints: Value, cordoned: bool| json!({"spec": {"taints": taints, "unschedulable": cordoned}});
        let (new, cordon, own) = (
            json!({"key": NOT_READY, "effect": "NoSchedule"}),
            json!({"key": CORDONED, "effect": "NoSchedule"}),
            json!({"key": "gpu", "effect": "NoSchedule"}),
        );
        assert_eq!(changed(&node(json!([new, own]), false)), Some(vec![own.clone()]));
        assert_eq!(changed(&node(json!([own]), true)), Some(vec![own.clone(), cordon.clone()]));
        assert_eq!(changed(&node(json!([cordon, own]), false)), Some(vec![own.clone()]));
        assert_eq!(changed(&node(json!([own, cordon]), true)), None);
        assert_eq!(changed(&json!({"spec": {}})), None);
    }
}
