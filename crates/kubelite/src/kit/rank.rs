//! Which pods go first when there are too many.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use comity_core::{Value, object};
use jiff::Timestamp;

use super::pod;

/// Sorts pods so that those to delete come first. `siblings` are the active pods of all sets of the same controller: a crowded node gives first.
pub(crate) fn sort(pods: &mut [Arc<Value>], siblings: &[Arc<Value>], now: Timestamp) {
    let mut crowd: HashMap<&str, usize> = HashMap::new();
    for sibling in siblings {
        *crowd.entry(object::str_at(sibling, &["spec", "nodeName"])).or_default() += 1;
    }
    pods.sort_by(|a, b| compare(a, b, &crowd, now));
}

fn compare(a: &Value, b: &Value, crowd: &HashMap<&str, usize>, now: Timestamp) -> Ordering {
    let node = |p| object::str_at(p, &["spec", "nodeName"]);
    let rank = |p| crowd.get(node(p)).copied().unwrap_or(0);
    // without a node, then by phase, not ready, cheap, on a crowded node
    let first = (!node(a).is_empty())
        .cmp(&!node(b).is_empty())
        .then_with(|| phase_order(a).cmp(&phase_order(b)))
        .then_with(|| pod::is_ready(a).cmp(&pod::is_ready(b)))
        .then_with(|| cost(a).cmp(&cost(b)))
        .then_with(|| rank(b).cmp(&rank(a)));
    if first != Ordering::Equal {
        return first;
    }
    if pod::is_ready(a) && pod::is_ready(b) {
        let by_time = younger_first(pod::ready_since(a), pod::ready_since(b), now);
        if by_time != Ordering::Equal {
            return by_time;
        }
    }
    pod::restarts(b)
        .cmp(&pod::restarts(a))
        .then_with(|| younger_first(pod::created(a), pod::created(b), now))
        .then_with(|| object::uid(a).cmp(object::uid(b)))
}

fn phase_order(pod: &Value) -> u8 {
    match pod::phase(pod) {
        "Pending" | "" => 0,
        "Unknown" => 1,
        _ => 2,
    }
}

fn cost(pod: &Value) -> i64 {
    object::annotation(pod, "controller.kubernetes.io/pod-deletion-cost").and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Shorter spans first, on a logarithmic scale, so that nearly equal ages do not decide.
fn younger_first(a: Option<Timestamp>, b: Option<Timestamp>, now: Timestamp) -> Ordering {
    let scale =
        |since: Option<Timestamp>| since.map_or(0, |at| (now.as_second() - at.as_second()).max(0).checked_ilog2().map_or(0, |l| l + 1));
    scale(a).cmp(&scale(b))
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    const NOW: &str = "2026-01-02T00:00:00Z";

    /// `name node phase ready-since cost restarts created`
    fn pod(line: &str) -> Arc<Value> {
        let w: Vec<&str> = line.split_whitespace().collect();
        let ready = (w[3] != "-").then(|| json!([{"type": "Ready", "status": "True", "lastTransitionTime": w[3]}]));
        Arc::new(json!({
            "metadata": {"name": w[0], "uid": w[0], "creationTimestamp": w[6], "annotations": {"controller.kubernetes.io/pod-deletion-cost": w[4]}},
            "spec": {"nodeName": w[1].trim_start_matches('-')},
            "status": {"phase": w[2], "conditions": ready.unwrap_or(json!([])), "containerStatuses": [{"restartCount": w[5].parse::<i64>().unwrap()}]},
        }))
    }

    #[test]
    fn pods_go_in_the_order_of_least_harm() {
        let in_order = [
            "unbound      -  Pending -                    0 0 2026-01-01T00:00:00Z",
            "pending      n1 Pending -                    0 0 2026-01-01T00:00:00Z",
            "unknown      n1 Unknown -                    0 0 2026-01-01T00:00:00Z",
            "not-ready    n1 Running -                    0 0 2026-01-01T00:00:00Z",
            "cheap        n2 Running 2026-01-01T00:00:00Z -5 0 2026-01-01T00:00:00Z",
            "crowded      n1 Running 2026-01-01T00:00:00Z 0 0 2026-01-01T00:00:00Z",
            "ready-lately n2 Running 2026-01-01T23:59:00Z 0 0 2026-01-01T00:00:00Z",
            "restarted    n2 Running 2026-01-01T00:00:00Z 0 3 2026-01-01T00:00:00Z",
            "young        n2 Running 2026-01-01T00:00:00Z 0 0 2026-01-01T23:00:00Z",
            "old          n2 Running 2026-01-01T00:00:10Z 0 0 2026-01-01T00:00:00Z",
            "dear         n1 Running 2026-01-01T00:00:00Z 9 0 2026-01-01T00:00:00Z",
        ];
        let mut pods: Vec<_> = in_order.iter().map(|line| pod(line)).collect();
        let siblings = [&pods[..], &vec![pod("x n1 Running - 0 0 2026-01-01T00:00:00Z"); 3][..]].concat();
        pods.reverse();
        sort(&mut pods, &siblings, NOW.parse().unwrap());
        let names: Vec<_> = pods.iter().map(|p| object::name(p)).collect();
        let expected: Vec<_> = in_order.iter().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(names, expected);
    }
}
