//! One round of a DaemonSet. Surge is not supported: an update takes a node's pod away before it makes the new one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use comity_core::{Value, json, object};
use jiff::Timestamp;

use super::status;
use crate::{
    kit::{
        pod,
        revisions::{self, HASH, Present},
        share, template,
    },
    scheduler::filters,
};

/// Pods made in one round at most.
const BURST: usize = 250;

/// What a round sees.
pub(super) struct Observed {
    pub(super) set: Arc<Value>,
    pub(super) pods: Vec<Arc<Value>>,
    pub(super) nodes: Vec<Arc<Value>>,
    pub(super) revisions: Vec<Arc<Value>>,
    pub(super) now: Timestamp,
}

/// What a round does.
pub(super) struct Plan {
    pub(super) revision: Present,
    pub(super) create: Vec<Value>,
    pub(super) delete: Vec<Arc<Value>>,
    pub(super) status: Value,
    pub(super) old_revisions: Vec<Arc<Value>>,
    pub(super) again: Option<Duration>,
}

/// A node with its pods, oldest first.
pub(super) struct Place {
    pub(super) should_run: bool,
    /// Whether a pod that is there may stay.
    pub(super) may_stay: bool,
    pub(super) pods: Vec<Arc<Value>>,
}

pub(super) fn plan(observed: &Observed) -> Plan {
    let set = &observed.set;
    let revision = revisions::present(set, &observed.revisions);
    let (places, lost) = places(observed);
    let mut plan = Plan { revision, create: Vec::new(), delete: lost, status: Value::Null, old_revisions: Vec::new(), again: None };
    let used: BTreeSet<&str> = observed.pods.iter().filter_map(|p| object::label(p, HASH)).collect();
    let mut live: BTreeSet<String> = observed
        .revisions
        .iter()
        .filter(|r| object::label(r, HASH).is_some_and(|hash| used.contains(hash)))
        .map(|r| object::name(r).to_owned())
        .collect();
    live.insert(plan.revision.name.clone());
    plan.old_revisions = revisions::surplus(set, &observed.revisions, &live);
    for pod in &observed.pods {
        if let Err(Some(missing)) = pod::available(pod, min_ready(set), observed.now) {
            plan.again = Some(plan.again.map_or(missing, |present| present.min(missing)));
        }
    }
    if !object::is_deleting(set) {
        for (node, place) in &places {
            manage(set, node, place, &mut plan);
        }
        if plan.create.is_empty() && plan.delete.is_empty() {
            update(observed, &places, &mut plan);
        }
    }
    plan.status = status::wanted(observed, &places, &plan.revision.hash);
    plan
}

pub(super) fn min_ready(set: &Value) -> i64 {
    object::int_at(set, &["spec", "minReadySeconds"]).unwrap_or(0)
}

/// All nodes, and the pods of nodes that are gone.
fn places(observed: &Observed) -> (BTreeMap<String, Place>, Vec<Arc<Value>>) {
    let probe = bound_pod(&observed.set, "", "");
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    for node in &observed.nodes {
        let probe = probe_on(&probe, object::name(node));
        let fits = filters::matches_selector(&probe, node);
        let place = Place {
            should_run: fits && filters::untolerated(&probe, node, &["NoSchedule", "NoExecute"]).is_none(),
            may_stay: fits && filters::untolerated(&probe, node, &["NoExecute"]).is_none(),
            pods: Vec::new(),
        };
        places.insert(object::name(node).to_owned(), place);
    }
    let mut pods = observed.pods.clone();
    // bound before unbound, then by age
    let order = |p: &Value| {
        (
            object::str_at(p, &["spec", "nodeName"]).is_empty(),
            object::str_at(p, &["metadata", "creationTimestamp"]).to_owned(),
            object::name(p).to_owned(),
        )
    };
    pods.sort_by_key(|p| order(p));
    let mut lost = Vec::new();
    for pod in pods {
        match places.get_mut(target(&pod)) {
            Some(place) => place.pods.push(pod),
            None if object::str_at(&pod, &["spec", "nodeName"]).is_empty() && !object::is_deleting(&pod) => lost.push(pod),
            None => {}
        }
    }
    (places, lost)
}

/// The node that a pod is bound to or meant for.
fn target(pod: &Value) -> &str {
    let bound = object::str_at(pod, &["spec", "nodeName"]);
    if !bound.is_empty() {
        return bound;
    }
    let required = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];
    let terms = object::items_at(pod, &required).iter();
    let mut fields = terms.flat_map(|term| object::items_at(term, &["matchFields"]));
    fields.find_map(|f| object::items_at(f, &["values"]).first()?.as_str()).unwrap_or_default()
}

fn manage(set: &Value, node: &str, place: &Place, plan: &mut Plan) {
    let there: Vec<_> = place.pods.iter().filter(|p| !object::is_deleting(p)).collect();
    if !place.may_stay {
        plan.delete.extend(there.into_iter().cloned());
        return;
    }
    let (finished, running): (Vec<_>, Vec<_>) = there.into_iter().partition(|p| pod::is_finished(p));
    plan.delete.extend(finished.into_iter().cloned());
    plan.delete.extend(running.iter().skip(1).map(|p| (*p).clone()));
    if place.should_run && place.pods.is_empty() && plan.create.len() < BURST {
        plan.create.push(bound_pod(set, node, &plan.revision.hash));
    }
}

/// Takes outdated pods away, as many as may be unavailable.
fn update(observed: &Observed, places: &BTreeMap<String, Place>, plan: &mut Plan) {
    let set = &observed.set;
    if object::str_at(set, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return;
    }
    let desired = places.values().filter(|place| place.should_run).count();
    let most = object::at(set, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]);
    let most = most.map_or(1, |most| share::of(Some(most), i64::try_from(desired).unwrap_or(i64::MAX), share::Round::Up)).max(1);
    let (mut unavailable, mut candidates) = (0, Vec::new());
    for place in places.values().filter(|place| place.should_run) {
        let running: Vec<_> = place.pods.iter().filter(|p| !object::is_deleting(p)).collect();
        let [pod] = running.as_slice() else {
            unavailable += 1;
            continue;
        };
        let available = pod::available(pod, min_ready(set), observed.now).is_ok();
        let outdated = object::label(pod, HASH) != Some(plan.revision.hash.as_str());
        unavailable += i64::from(!available);
        match (outdated, available) {
            (true, false) => plan.delete.push((*pod).clone()),
            (true, true) => candidates.push((*pod).clone()),
            _ => {}
        }
    }
    let free = usize::try_from(most - unavailable).unwrap_or(0);
    plan.delete.extend(candidates.into_iter().take(free));
}

/// The pod of a node: the scheduler can bind it only there.
fn bound_pod(set: &Value, node: &str, hash: &str) -> Value {
    let mut pod = template::new_pod(set, &set["spec"]["template"]);
    object::set(&mut pod, &["metadata", "labels", HASH], hash.into());
    let generation = object::annotation(set, "deprecated.daemonset.template.generation").unwrap_or("1");
    object::set(&mut pod, &["metadata", "labels", "pod-template-generation"], generation.into());
    let mut tolerations = object::items_at(&pod, &["spec", "tolerations"]).to_vec();
    let no_schedule = ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map(|name| (name, "NoSchedule"));
    for (name, effect) in [("not-ready", "NoExecute"), ("unreachable", "NoExecute")].into_iter().chain(no_schedule) {
        tolerations.push(json!({"key": format!("node.kubernetes.io/{name}"), "operator": "Exists", "effect": effect}));
    }
    pod["spec"]["tolerations"] = Value::Array(tolerations);
    probe_on(&pod, node)
}

/// The pod with a required affinity to one node; the template's own terms stay beside it.
fn probe_on(pod: &Value, node: &str) -> Value {
    let mut pod = pod.clone();
    if node.is_empty() {
        return pod;
    }
    let path = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];
    let field = json!([{"key": "metadata.name", "operator": "In", "values": [node]}]);
    let mut terms = object::items_at(&pod, &path).to_vec();
    if terms.is_empty() {
        terms.push(json!({}));
    }
    for term in &mut terms {
        term["matchFields"] = field.clone();
    }
    object::set(&mut pod, &path, Value::Array(terms));
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        set: Value,
        nodes: Vec<Arc<Value>>,
        pods: Vec<Value>,
        revisions: Vec<Arc<Value>>,
        made: usize,
        story: Vec<String>,
    }

    impl World {
        fn new(nodes: &[(&str, Value)]) -> Self {
            let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "ds", "namespace": "d", "uid": "s", "generation": 1},
                "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "v1"}]}}}});
            let nodes = nodes.iter().map(|(name, spec)| Arc::new(json!({"metadata": {"name": name}, "spec": spec}))).collect();
            Self { set, nodes, pods: Vec::new(), revisions: Vec::new(), made: 0, story: Vec::new() }
        }

        fn round(&mut self) -> bool {
            let pods = self.pods.iter().cloned().map(Arc::new).collect();
            let now = "2026-01-02T00:00:00Z".parse().unwrap();
            let observed =
                Observed { set: Arc::new(self.set.clone()), pods, nodes: self.nodes.clone(), revisions: self.revisions.clone(), now };
            let planned = plan(&observed);
            self.revisions.extend(planned.revision.create.clone().map(Arc::new));
            let changed = self.set["status"] != planned.status || !planned.create.is_empty() || !planned.delete.is_empty();
            self.set["status"] = planned.status;
            for gone in &planned.delete {
                self.story.push(format!("-{}", target(gone)));
                self.pods.retain(|pod| object::uid(pod) != object::uid(gone));
            }
            for mut pod in planned.create {
                let node = target(&pod).to_owned();
                self.story.push(format!("+{node}:{}", pod["spec"]["containers"][0]["image"].as_str().unwrap()));
                pod["metadata"]["uid"] = format!("p{}", self.made).into();
                pod["spec"]["nodeName"] = node.into();
                pod["status"] = json!({"phase": "Running"});
                self.made += 1;
                self.pods.push(pod);
            }
            changed
        }

        fn play(&mut self) -> String {
            self.story.clear();
            for _ in 0..40 {
                while self.round() {}
                let Some(pod) = self.pods.iter_mut().find(|pod| !pod::is_ready(pod)) else { break };
                pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
            }
            self.story.join(" ")
        }
    }

    #[test]
    fn every_fitting_node_gets_a_pod_and_updates_go_node_by_node() {
        let taint = json!({"taints": [{"key": "k", "effect": "NoSchedule"}]});
        let mut world = World::new(&[("a", json!({})), ("b", json!({"unschedulable": true})), ("c", taint)]);
        assert_eq!(world.play(), "+a:v1 +b:v1");
        let status = &world.set["status"];
        assert_eq!(
            (status["desiredNumberScheduled"].as_i64(), status["numberReady"].as_i64(), status["numberMisscheduled"].as_i64()),
            (Some(2), Some(2), Some(0))
        );
        world.set["spec"]["template"]["spec"]["containers"][0]["image"] = "v2".into();
        assert_eq!(world.play(), "-a +a:v2 -b +b:v2");
        assert_eq!(world.set["status"]["updatedNumberScheduled"], 2);
    }

    #[test]
    fn pods_leave_nodes_that_evict_and_failed_ones_are_made_anew() {
        let mut world = World::new(&[("a", json!({})), ("b", json!({}))]);
        world.play();
        world.nodes[0] = Arc::new(json!({"metadata": {"name": "a"}, "spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}}));
        assert_eq!(world.play(), "-a");
        world.pods[0]["status"]["phase"] = "Failed".into();
        assert_eq!(world.play(), "-b +b:v1");
    }
}
