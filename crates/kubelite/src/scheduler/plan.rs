//! Which pod goes where, in one pass over all that wait.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use comity_core::{Value, object};

use super::{
    filters,
    needs::{self, Amounts, Needs},
};
use crate::kit::chance;

/// What a pass sees.
pub(super) struct Observed {
    /// Pods without a node.
    pub(super) waiting: Vec<Arc<Value>>,
    pub(super) nodes: Vec<Arc<Value>>,
    /// Pods with the names of their nodes, those included whose binding is under way.
    pub(super) bound: Vec<(String, Arc<Value>)>,
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision {
    Bind(String),
    Wait { reason: &'static str, message: String },
}

/// A node with what its pods take.
struct Room {
    node: Arc<Value>,
    has: Amounts,
    taken: Needs,
    /// CPU and memory for comparison.
    load: (i64, i64),
}

pub(super) fn plan(observed: &Observed, seed: u64) -> Vec<(Arc<Value>, Decision)> {
    let mut rooms = rooms(observed);
    let mut waiting = observed.waiting.clone();
    waiting.sort_by(|a, b| order(a).cmp(&order(b)));
    waiting.into_iter().map(|pod| (pod.clone(), place(&pod, &mut rooms, seed))).collect()
}

/// Higher priority first, then older.
fn order(pod: &Value) -> (i64, &str, &str, &str) {
    let priority = object::int_at(pod, &["spec", "priority"]).unwrap_or(0);
    (-priority, object::str_at(pod, &["metadata", "creationTimestamp"]), object::namespace(pod), object::name(pod))
}

fn rooms(observed: &Observed) -> Vec<Room> {
    let mut by_name: HashMap<&str, Vec<&Value>> = HashMap::new();
    for (node, pod) in &observed.bound {
        by_name.entry(node).or_default().push(pod);
    }
    let room = |node: &Arc<Value>| {
        let has = needs::amounts(object::at(node, &["status", "allocatable"]));
        let mut room = Room { node: node.clone(), has, taken: Needs::default(), load: (0, 0) };
        for pod in by_name.get(object::name(node)).into_iter().flatten() {
            room.take(&needs::of_pod(pod));
        }
        room
    };
    observed.nodes.iter().map(room).collect()
}

impl Room {
    fn take(&mut self, needs: &Needs) {
        needs::add(&mut self.taken.amounts, &needs.amounts);
        self.taken.ports.extend(needs.ports.iter().cloned());
        let (cpu, memory) = needs::weight(needs);
        self.load = (self.load.0 + cpu, self.load.1 + memory);
    }

    /// What there is too little of.
    fn lacks(&self, needs: &Needs) -> Vec<String> {
        let mut lacks = Vec::new();
        for (name, wanted) in &needs.amounts {
            let left = self.has.get(name).copied().unwrap_or(0) - self.taken.amounts.get(name).copied().unwrap_or(0);
            if *wanted > 0 && *wanted > left {
                lacks.push(if name == "pods" { "Too many pods".to_owned() } else { format!("Insufficient {name}") });
            }
        }
        if needs.ports.iter().any(|port| self.taken.ports.iter().any(|taken| clash(port, taken))) {
            lacks.push("node(s) didn't have free ports for the requested pod ports".to_owned());
        }
        lacks
    }

    /// How empty the node would be with the pod, of 100.
    fn emptiness(&self, needs: &Needs) -> i64 {
        let (cpu, memory) = needs::weight(needs);
        let free = |name: &str, load: i64| match self.has.get(name) {
            Some(has) if *has > 0 => ((*has - load).max(0)).saturating_mul(100) / has,
            _ => 0,
        };
        (free("cpu", self.load.0 + cpu) + free("memory", self.load.1 + memory)) / 2
    }
}

fn clash(a: &(String, String, i64), b: &(String, String, i64)) -> bool {
    a.0 == b.0 && a.2 == b.2 && (a.1 == b.1 || a.1 == "0.0.0.0" || b.1 == "0.0.0.0")
}

fn place(pod: &Value, rooms: &mut [Room], seed: u64) -> Decision {
    let gates = object::items_at(pod, &["spec", "schedulingGates"]);
    if !gates.is_empty() {
        return Decision::Wait { reason: "SchedulingGated", message: "Scheduling is blocked due to non-empty scheduling gates".to_owned() };
    }
    if rooms.is_empty() {
        return Decision::Wait { reason: "Unschedulable", message: "no nodes available to schedule pods".to_owned() };
    }
    let needs = needs::of_pod(pod);
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(i64, i64, i64, u64, usize)> = None;
    for (index, room) in rooms.iter().enumerate() {
        let lacks = match filters::refused(pod, &room.node) {
            Some(refused) => vec![refused],
            None => room.lacks(&needs),
        };
        if lacks.is_empty() {
            let name = object::name(&room.node);
            let tie = (chance::fraction(seed, name) * 1e9) as u64;
            let pods = room.taken.amounts.get("pods").copied().unwrap_or(0);
            let score = (filters::preference(pod, &room.node), room.emptiness(&needs), -pods, tie, index);
            best = best.max(Some(score));
        }
        for lack in lacks {
            *refusals.entry(lack).or_default() += 1;
        }
    }
    match best {
        Some((.., index)) => {
            rooms[index].take(&needs);
            Decision::Bind(object::name(&rooms[index].node).to_owned())
        }
        None => {
            let mut reasons: Vec<String> = refusals.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            reasons.sort();
            let message = format!("0/{} nodes are available: {}.", rooms.len(), reasons.join(", "));
            Decision::Wait { reason: "Unschedulable", message }
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn node(name: &str, cpu: &str, extra: Value) -> Arc<Value> {
        let mut node = json!({"metadata": {"name": name, "labels": {"zone": name}}, "spec": {}, "status": {"allocatable": {"cpu": cpu, "memory": "10Gi", "pods": "3"}}});
        if let Some(extra) = extra.as_object() {
            for (key, value) in extra {
                node["spec"][key] = value.clone();
            }
        }
        Arc::new(node)
    }

    fn pod(name: &str, cpu: &str, extra: Value) -> Arc<Value> {
        let mut pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"resources": {"requests": {"cpu": cpu}}}]}});
        for (key, value) in extra.as_object().into_iter().flatten() {
            pod["spec"][key] = value.clone();
        }
        Arc::new(pod)
    }

    fn placed(nodes: Vec<Arc<Value>>, pods: Vec<Arc<Value>>) -> Vec<String> {
        let decisions = plan(&Observed { waiting: pods, nodes, bound: Vec::new() }, 1);
        let text = |(pod, decision): (Arc<Value>, Decision)| match decision {
            Decision::Bind(node) => format!("{} → {node}", object::name(&pod)),
            Decision::Wait { message, .. } => format!("{}: {message}", object::name(&pod)),
        };
        decisions.into_iter().map(text).collect()
    }

    #[test]
    fn pods_spread_over_nodes_and_stop_where_room_ends() {
        let got = placed(
            vec![node("a", "1", json!({})), node("b", "1", json!({}))],
            (0..4).map(|i| pod(&format!("p{i}"), "400m", json!({}))).chain([pod("q", "400m", json!({}))]).collect(),
        );
        assert_eq!(got.iter().filter(|line| line.ends_with("→ a")).count(), 2);
        assert_eq!(got.iter().filter(|line| line.ends_with("→ b")).count(), 2);
        assert_eq!(got[4], "q: 0/2 nodes are available: 2 Insufficient cpu.");
    }

    #[test]
    fn refusals_are_counted_by_reason_and_sorted() {
        let taint = json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]});
        let nodes = vec![
            node("a", "1", taint),
            node("b", "1", json!({"unschedulable": true})),
            node("c", "100m", json!({})),
            node("d", "1", json!({})),
        ];
        let got = placed(nodes, vec![pod("p", "500m", json!({"nodeSelector": {"zone": "c"}}))]);
        assert_eq!(
            got,
            [
                "p: 0/4 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {k: v}, 1 node(s) were unschedulable."
            ]
        );
        assert_eq!(placed(Vec::new(), vec![pod("p", "1", json!({}))]), ["p: no nodes available to schedule pods"]);
    }

    #[test]
    fn tolerations_and_affinity_open_and_close_nodes() {
        let taint = || json!({"taints": [{"key": "k", "value": "v", "effect": "NoExecute"}]});
        let nodes = || vec![node("a", "1", taint()), node("b", "1", json!({}))];
        let affinity = |operator: &str, kind: &str, value: &str| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{kind: [{"key": if kind == "matchFields" { "metadata.name" } else { "zone" }, "operator": operator, "values": [value]}]}]}}}});
        assert_eq!(placed(nodes(), vec![pod("p", "1m", affinity("NotIn", "matchExpressions", "a"))]), ["p → b"]);
        assert_eq!(placed(nodes(), vec![pod("p", "1m", affinity("In", "matchFields", "b"))]), ["p → b"]);
        let mut tolerant = affinity("In", "matchFields", "a");
        tolerant["tolerations"] = json!([{"key": "k", "operator": "Exists"}]);
        assert_eq!(placed(nodes(), vec![pod("p", "1m", tolerant)]), ["p → a"]);
        let preferred = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}}]}}});
        let open = || vec![node("a", "1", json!({})), node("b", "1", json!({})), node("c", "1", json!({}))];
        assert_eq!(placed(open(), vec![pod("p", "1m", preferred)]), ["p → b"]);
    }

    #[test]
    fn priority_goes_first_gates_wait_and_the_pod_limit_counts() {
        let pods = vec![
            pod("low", "1m", json!({"priority": 1})),
            pod("high", "1m", json!({"priority": 9})),
            pod("gated", "1m", json!({"schedulingGates": [{"name": "g"}]})),
            pod("third", "1m", json!({})),
            pod("fourth", "1m", json!({})),
        ];
        let got = placed(vec![node("a", "1", json!({}))], pods);
        assert_eq!(
            got,
            [
                "high → a",
                "low → a",
                "fourth → a",
                "gated: Scheduling is blocked due to non-empty scheduling gates",
                "third: 0/1 nodes are available: 1 Too many pods."
            ]
        );
    }

    #[test]
    fn host_ports_are_given_once_per_node() {
        let port = json!({"containers": [{"ports": [{"hostPort": 80}]}]});
        let got = placed(vec![node("a", "1", json!({}))], vec![pod("p", "1m", port.clone()), pod("q", "1m", port)]);
        assert_eq!(got[1], "q: 0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.");
    }
}
