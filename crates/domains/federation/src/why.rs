//! `comity why KIND NAME`: the decision for every cluster, from the hub's objects alone. Pure.

use std::collections::BTreeMap;

use comity_api_kubefed::{FederatedSpec, cluster, federated::ClusterEntry};
use comity_core::{LabelSelector, Value, condition, object};
use comity_placement::{Decision, NamespaceRule, Placement, place};

/// What is said about one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Cluster.
    pub cluster: String,
    /// `placed`, `not placed` or `not joined`.
    pub decision: &'static str,
    /// Why.
    pub because: String,
    /// What the last report says of its copy: `in sync`, a status word, or `-`.
    pub state: String,
    /// More about the state.
    pub detail: String,
}

/// One line per cluster; `namespace` is the FederatedNamespace, if there is one.
///
/// # Errors
/// The object's spec cannot be read.
pub fn explain(federated: &Value, clusters: &[Value], namespace: Option<&Value>) -> Result<Vec<Line>, String> {
    let spec = FederatedSpec::read(federated).map_err(|e| e.to_string())?;
    let rule = match namespace {
        None => NamespaceRule::Free,
        Some(namespace) => NamespaceRule::Federated(read(&FederatedSpec::read(namespace).map_err(|e| e.to_string())?)?),
    };
    let members: BTreeMap<String, _> = clusters.iter().map(|c| (object::name(c).to_owned(), cluster::labels(c))).collect();
    let placed = place(&read(&spec)?, &members, &rule);
    let entries: BTreeMap<String, ClusterEntry> = ClusterEntry::of(federated).into_iter().map(|e| (e.name.clone(), e)).collect();
    let behind = object::int_at(federated, &["status", "observedGeneration"]) != Some(object::generation(federated));
    Ok(placed.decisions.iter().map(|(name, decision)| line(name, *decision, &members, entries.get(name), &spec, behind)).collect())
}

fn line(
    name: &str,
    decision: Decision,
    members: &BTreeMap<String, comity_placement::Member>,
    entry: Option<&ClusterEntry>,
    spec: &FederatedSpec,
    behind: bool,
) -> Line {
    let (state, detail) = match entry {
        _ if behind => ("not reported yet".to_owned(), "the last change has not been acted on".to_owned()),
        None => ("-".to_owned(), String::new()),
        Some(entry) if entry.status.is_empty() => {
            let said = [replicas(entry), entry.message.clone()];
            ("in sync".to_owned(), said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; "))
        }
        Some(entry) if entry.message.is_empty() => (entry.status.clone(), entry.reason.clone()),
        Some(entry) => (entry.status.clone(), format!("{}: {}", entry.reason, entry.message)),
    };
    let joined = members.contains_key(name);
    let decided = match (decision.wanted, joined) {
        (true, _) => "placed",
        (false, true) => "not placed",
        (false, false) => "not joined",
    };
    let steps: usize = spec.overrides.iter().filter(|o| o.cluster == name).map(|o| o.patches.len()).sum();
    let because = match steps {
        0 => decision.reason.text().to_owned(),
        1 => format!("{}; 1 override", decision.reason.text()),
        many => format!("{}; {many} overrides", decision.reason.text()),
    };
    Line { cluster: name.to_owned(), decision: decided, because, state, detail }
}

fn replicas(entry: &ClusterEntry) -> String {
    match (entry.replicas, entry.ready_replicas) {
        (Some(all), Some(ready)) => format!("{ready}/{all} ready"),
        _ => String::new(),
    }
}

fn read(spec: &FederatedSpec) -> Result<Placement, String> {
    let selector = match &spec.placement.selector {
        None => None,
        Some(selector) => Some(LabelSelector::from_object(selector).map_err(|e| e.to_string())?),
    };
    Ok(Placement { clusters: spec.placement.clusters.clone(), selector })
}

/// The object's condition `Propagation` in one line.
pub fn headline(federated: &Value) -> String {
    match condition::find(federated, "Propagation") {
        None => "not reported yet".to_owned(),
        Some(c) if c["status"] == "True" => "propagated to every cluster that it is placed in".to_owned(),
        Some(c) => format!("not propagated everywhere: {} {}", object::str_at(c, &["reason"]), object::str_at(c, &["message"]))
            .trim_end()
            .to_owned(),
    }
}
