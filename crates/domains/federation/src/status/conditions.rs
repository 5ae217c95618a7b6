//! `Propagation` as KubeFed writes it, and for workloads Available, Progressing and Degraded.

use comity_api_kubefed::federated::ClusterEntry;
use comity_core::{Value, condition, json, object};

use super::{health::Counts, some_of};
use crate::{
    model::{NamespaceSeen, Observed},
    plan::{AUGMENTED, CONTESTED, Plan, Verdict},
};

struct Line {
    kind: &'static str,
    status: bool,
    reason: &'static str,
    message: String,
}

/// The conditions of a planned object.
pub(super) fn of(seen: &Observed, plan: &Plan, entries: &[ClusterEntry], counts: &Counts, now: &str) -> Value {
    let faults: Vec<&ClusterEntry> = entries.iter().filter(|e| !e.status.is_empty()).collect();
    let named = some_of(faults.iter().map(|e| format!("{} {}", e.name, e.status)).collect());
    let strict = seen.namespace == NamespaceSeen::Strict;
    let mut lines = vec![match (strict, faults.is_empty()) {
        (true, _) => Line { kind: "Propagation", status: false, reason: "NamespaceNotFederated", message: String::new() },
        (false, true) => Line { kind: "Propagation", status: true, reason: "", message: String::new() },
        (false, false) => Line { kind: "Propagation", status: false, reason: "CheckClusters", message: named },
    }];
    if counts.any() {
        // what is under way is no fault
        let broken: Vec<String> = faults
            .iter()
            .filter(|e| !matches!(e.status.as_str(), "Pending" | "WaitingForRemoval" | "DeletionHeld"))
            .map(|e| format!("{} {}", e.name, e.status))
            .collect();
        lines.extend(workload(&some_of(broken), counts));
    }
    lines.extend(others(plan));
    write(seen, lines, now)
}

/// So many clusters are named in a condition about other writers.
const NAMED: usize = 5;

/// What other writers do to the copies; said only while there is something to say.
fn others(plan: &Plan) -> impl Iterator<Item = Line> {
    let named = |of: fn(&Verdict) -> Option<&str>| {
        let told: Vec<(&String, &str)> = plan.verdicts.iter().filter_map(|(name, verdict)| Some((name, of(verdict)?))).collect();
        let mut texts: Vec<String> = told.iter().take(NAMED).map(|(name, message)| format!("{name}: {message}")).collect();
        if told.len() > NAMED {
            texts.push(format!("and {} more clusters", told.len() - NAMED));
        }
        texts.join("; ")
    };
    let contested = named(|verdict| verdict.contested.as_deref());
    let augmented = named(|verdict| verdict.notes.iter().find(|note| note.reason == AUGMENTED).map(|note| note.message.as_str()));
    let line = |kind, reason, message: String| Some(Line { kind, status: true, reason, message }).filter(|line| !line.message.is_empty());
    line(CONTESTED, "OtherControllerChangesBack", contested).into_iter().chain(line(AUGMENTED, "OthersAdded", augmented))
}

fn workload(named: &str, counts: &Counts) -> [Line; 3] {
    let line = |kind, status, reason, message: String| Line { kind, status, reason, message };
    [
        match counts.lacking.as_slice() {
            [] => line("Available", true, "AllReplicasAvailable", String::new()),
            lacking => line("Available", false, "ReplicasUnavailable", some_of(lacking.to_vec())),
        },
        match counts.rolling.as_slice() {
            [] => line("Progressing", false, "RolledOut", String::new()),
            rolling => line("Progressing", true, "RollingOut", some_of(rolling.to_vec())),
        },
        match named {
            "" => line("Degraded", false, "AsExpected", String::new()),
            named => line("Degraded", true, "CheckClusters", named.to_owned()),
        },
    ]
}

/// The conditions of an object that cannot be planned.
pub(super) fn failed(seen: &Observed, reason: &'static str, message: &str, now: &str) -> Value {
    write(seen, vec![Line { kind: "Propagation", status: false, reason, message: message.to_owned() }], now)
}

/// Adds the times: of the last change of the status word, and of this write.
fn write(seen: &Observed, lines: Vec<Line>, now: &str) -> Value {
    let conditions = lines.into_iter().map(|line| {
        let status = if line.status { "True" } else { "False" };
        let before = condition::find(&seen.object, line.kind).filter(|c| c["status"] == status);
        let since = before.map(|c| object::str_at(c, &["lastTransitionTime"])).filter(|t| !t.is_empty()).unwrap_or(now);
        let mut condition = json!({"type": line.kind, "status": status});
        for (key, text) in [("reason", line.reason), ("message", &line.message)] {
            if !text.is_empty() {
                condition[key] = text.into();
            }
        }
        condition["lastUpdateTime"] = now.into();
        condition["lastTransitionTime"] = since.into();
        condition
    });
    Value::Array(conditions.collect())
}
