//! Conditions of a pod from the states of its containers.

use comity_core::{Value, condition, json, object, time};
use jiff::Timestamp;

/// The conditions that the node agent writes and that differ from those that stand.
pub(super) fn conditions(pod: &Value, containers: &[Value], init: &[Value], phase: &str, sandbox: bool, now: Timestamp) -> Vec<Value> {
    let unready = names(containers, |status| status["ready"] != true);
    let incomplete = names(init, |status| status["ready"] != true);
    let finished = matches!(phase, "Succeeded" | "Failed");
    let mut wanted = vec![("PodReadyToStartContainers", sandbox && !finished, "", String::new())];
    if incomplete.is_empty() {
        wanted.push(("Initialized", true, if phase == "Succeeded" { "PodCompleted" } else { "" }, String::new()));
    } else {
        wanted.push((
            "Initialized",
            false,
            "ContainersNotInitialized",
            format!("containers with incomplete status: [{}]", incomplete.join(" ")),
        ));
    }
    let (ready, reason, message) = match phase {
        "Succeeded" => (false, "PodCompleted", String::new()),
        "Failed" => (false, "PodFailed", String::new()),
        _ if !unready.is_empty() || !incomplete.is_empty() || containers.is_empty() => {
            (false, "ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")))
        }
        _ => (true, "", String::new()),
    };
    let gates = if ready { unmet_gates(pod) } else { Vec::new() };
    if gates.is_empty() {
        wanted.push(("Ready", ready, reason, message.clone()));
    } else {
        wanted.push(("Ready", false, "ReadinessGatesNotReady", gates.join("\n")));
    }
    wanted.push(("ContainersReady", ready, reason, message));
    wanted.into_iter().filter_map(|(kind, status, reason, message)| changed(pod, kind, status, reason, &message, now)).collect()
}

fn changed(pod: &Value, kind: &str, status: bool, reason: &str, message: &str, now: Timestamp) -> Option<Value> {
    let status = if status { "True" } else { "False" };
    let old = condition::find(pod, kind);
    let same =
        |old: &Value| old["status"] == status && object::str_at(old, &["reason"]) == reason && object::str_at(old, &["message"]) == message;
    if old.is_some_and(same) {
        return None;
    }
    let since =
        old.filter(|old| old["status"] == status).map_or_else(|| time::rfc3339(now).into(), |old| old["lastTransitionTime"].clone());
    // null removes what an earlier state said
    let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    Some(json!({
        "type": kind, "status": status, "reason": text(reason), "message": text(message), "lastProbeTime": null, "lastTransitionTime": since,
        "observedGeneration": object::generation(pod),
    }))
}

/// Gates belong to others: they are only looked at.
fn unmet_gates(pod: &Value) -> Vec<String> {
    let gates = object::items_at(pod, &["spec", "readinessGates"]).iter().map(|gate| object::str_at(gate, &["conditionType"]));
    gates
        .filter_map(|gate| match condition::find(pod, gate) {
            None => Some(format!("corresponding condition of pod readiness gate {gate:?} does not exist.")),
            Some(c) if c["status"] != "True" => {
                Some(format!("the status of pod readiness gate {gate:?} is not \"True\", but {}", object::str_at(c, &["status"])))
            }
            Some(_) => None,
        })
        .collect()
}

fn names(statuses: &[Value], filter: impl Fn(&Value) -> bool) -> Vec<&str> {
    statuses.iter().filter(|status| filter(status)).map(|status| object::str_at(status, &["name"])).collect()
}
