//! Pods: READY, STATUS and RESTARTS as kubectl shows them.

use comity_core::{Value, json, object};

use super::cells::{At, Cells, flag, number, or, text};

/// Conditions of the row of a pod that has ended.
pub(super) fn row_conditions(pod: &Value) -> Vec<Value> {
    let (reason, message) = match text(pod, &["status", "phase"]) {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return Vec::new(),
    };
    vec![json!({"type": "Completed", "status": "True", "reason": reason, "message": message})]
}

pub(super) fn pod(pod: &Value, at: At) -> Cells {
    let state = State::of(pod);
    let mut restarts = state.restarts.to_string();
    if state.restarts != 0 && !state.last_restart.is_empty() {
        restarts.push_str(&format!(" ({} ago)", at.since(state.last_restart)));
    }
    let ips = object::items_at(pod, &["status", "podIPs"]);
    vec![
        object::name(pod).into(),
        format!("{}/{}", state.ready, state.total).into(),
        state.reason.into(),
        restarts.into(),
        at.age(pod),
        or(ips.first().map_or("", |ip| text(ip, &["ip"])), "<none>").into(),
        or(text(pod, &["spec", "nodeName"]), "<none>").into(),
        or(text(pod, &["status", "nominatedNodeName"]), "<none>").into(),
        readiness_gates(pod).into(),
    ]
}

fn readiness_gates(pod: &Value) -> String {
    let gates = object::items_at(pod, &["spec", "readinessGates"]);
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let holds = |gate: &&Value| has_true(pod, text(gate, &["conditionType"]));
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len())
}

fn has_true(pod: &Value, kind: &str) -> bool {
    super::cells::condition(pod, kind).is_some_and(|condition| text(condition, &["status"]) == "True")
}

struct State<'a> {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: &'a str,
}

impl<'a> State<'a> {
    fn of(pod: &'a Value) -> Self {
        let phase = text(pod, &["status", "phase"]);
        let inits = object::items_at(pod, &["spec", "initContainers"]);
        let mut state = State {
            reason: or(text(pod, &["status", "reason"]), phase).to_owned(),
            ready: 0,
            total: object::items_at(pod, &["spec", "containers"]).len() + inits.iter().filter(|init| is_restartable(init)).count(),
            restarts: 0,
            last_restart: "",
        };
        let conditions = object::items_at(pod, &["status", "conditions"]);
        if conditions.iter().any(|c| text(c, &["type"]) == "PodScheduled" && text(c, &["reason"]) == "SchedulingGated") {
            state.reason = "SchedulingGated".to_owned();
        }
        let (initializing, sidecar_restarts, sidecar_last) = state.count_inits(pod, inits);
        if !initializing || has_true(pod, "Initialized") {
            state.restarts = sidecar_restarts;
            state.last_restart = sidecar_last;
            state.count_containers(pod);
        }
        if object::is_deleting(pod) {
            if text(pod, &["status", "reason"]) == "NodeLost" {
                state.reason = "Unknown".to_owned();
            } else if !matches!(phase, "Succeeded" | "Failed") {
                state.reason = "Terminating".to_owned();
            }
        }
        state
    }

    fn count_restart(&mut self, container: &'a Value) {
        self.restarts += number(container, &["restartCount"]);
        later(&mut self.last_restart, finished_at(container));
    }

    /// Answers whether init containers are still at work, and the restarts of those that go on beside the others.
    fn count_inits(&mut self, pod: &'a Value, inits: &[Value]) -> (bool, i64, &'a str) {
        let (mut restarts, mut last) = (0, "");
        for (index, container) in object::items_at(pod, &["status", "initContainerStatuses"]).iter().enumerate() {
            self.count_restart(container);
            let name = text(container, &["name"]);
            let restartable = inits.iter().any(|init| text(init, &["name"]) == name && is_restartable(init));
            if restartable {
                restarts += number(container, &["restartCount"]);
                later(&mut last, finished_at(container));
            }
            let terminated = object::at(container, &["state", "terminated"]);
            let waiting = text(container, &["state", "waiting", "reason"]);
            if terminated.is_some_and(|t| number(t, &["exitCode"]) == 0) {
                continue;
            }
            if restartable && flag(container, &["started"]) {
                self.ready += usize::from(flag(container, &["ready"]));
                continue;
            }
            self.reason = match terminated {
                Some(terminated) => format!("Init:{}", why_terminated(terminated)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{index}/{}", inits.len()),
            };
            return (true, restarts, last);
        }
        (false, restarts, last)
    }

    fn count_containers(&mut self, pod: &'a Value) {
        let (mut running, mut failed) = (false, String::new());
        for container in object::items_at(pod, &["status", "containerStatuses"]).iter().rev() {
            self.count_restart(container);
            let waiting = text(container, &["state", "waiting", "reason"]);
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if let Some(terminated) = object::at(container, &["state", "terminated"]) {
                self.reason = why_terminated(terminated);
                if number(terminated, &["exitCode"]) != 0 {
                    failed.clone_from(&self.reason);
                }
            } else if flag(container, &["ready"]) && object::at(container, &["state", "running"]).is_some() {
                running = true;
                self.ready += 1;
            }
        }
        // A pod of which a part has ended goes on while another part runs.
        if self.reason == "Completed" {
            if running && has_true(pod, "Ready") {
                self.reason = "Running".to_owned();
            } else if !failed.is_empty() {
                self.reason = failed;
            } else if running {
                self.reason = "NotReady".to_owned();
            }
        }
    }
}

fn is_restartable(init: &Value) -> bool {
    text(init, &["restartPolicy"]) == "Always"
}

fn finished_at(container: &Value) -> &str {
    text(container, &["lastState", "terminated", "finishedAt"])
}

/// Keeps the later of two moments; both are written alike, so that texts compare as times do.
fn later<'a>(last: &mut &'a str, moment: &'a str) {
    if *last < moment {
        *last = moment;
    }
}

fn why_terminated(terminated: &Value) -> String {
    match (text(terminated, &["reason"]), number(terminated, &["signal"])) {
        ("", 0) => format!("ExitCode:{}", number(terminated, &["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
