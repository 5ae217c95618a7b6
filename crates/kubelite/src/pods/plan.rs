//! The next state of a pod on a simulated node.

use std::time::Duration;

use comity_core::{Value, json, object, time};
use jiff::{SignedDuration, Timestamp};

use super::{
    containers::Container,
    fate::{self, Fate},
    status,
};
use crate::{
    config::Pace,
    kit::{chance, hands::Told, pod, simulated::SIMULATED},
};

/// How long a pull is tried before it is put off.
const PULL: SignedDuration = SignedDuration::from_secs(2);

/// What a round sees.
pub(super) struct Observed<'a> {
    pub(super) pod: &'a Value,
    pub(super) node: &'a Value,
    pub(super) address: &'a str,
    pub(super) pace: &'a Pace,
    pub(super) seed: u64,
    pub(super) progress: Progress,
    pub(super) now: Timestamp,
}

/// When the steps were taken, more exactly than whole seconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Progress {
    bound: Timestamp,
    running: Option<Timestamp>,
    stopping: Option<Timestamp>,
}

impl Progress {
    /// From what the status tells, or from now on.
    pub(super) fn recovered(pod: &Value, now: Timestamp) -> Self {
        let containers = object::items_at(pod, &["status", "containerStatuses"]).iter();
        let running = containers.filter_map(|c| time::parse(object::str_at(c, &["state", "running", "startedAt"]))).max();
        Self { bound: time::parse(object::str_at(pod, &["status", "startTime"])).unwrap_or(now), running, stopping: None }
    }
}

/// What a round does.
#[derive(Debug)]
pub(super) struct Plan {
    /// A strategic patch with `status`.
    pub(super) status: Option<Value>,
    pub(super) told: Vec<Told>,
    /// The pod has stopped and can go.
    pub(super) delete: bool,
    pub(super) progress: Progress,
    pub(super) again: Option<Duration>,
}

/// Where a pod stands, before conditions.
struct Stage {
    phase: &'static str,
    init: Vec<Value>,
    containers: Vec<Value>,
    /// Whether the pod has its address.
    sandbox: bool,
    again: Option<Duration>,
}

pub(super) fn plan(observed: &Observed) -> Plan {
    let mut progress = observed.progress.clone();
    if object::is_deleting(observed.pod) {
        return stop(observed, progress);
    }
    if pod::is_finished(observed.pod) {
        return Plan { status: None, told: Vec::new(), delete: false, progress, again: None };
    }
    let fate = fate::of(observed.pod, observed.pace);
    let stage = stage(observed, &fate, &mut progress);
    let told = told(observed.pod, &stage);
    let status = patch(observed, &stage);
    Plan { status, told, delete: false, progress, again: stage.again }
}

fn stage(observed: &Observed, fate: &Fate, progress: &mut Progress) -> Stage {
    let (pod, now) = (observed.pod, observed.now);
    if let Some(since) = progress.running {
        return running(observed, fate, since);
    }
    let elapsed = now.duration_since(progress.bound);
    let delay = start_delay(observed);
    let init_count = i32::try_from(regular_init(pod)).unwrap_or(i32::MAX);
    let each = SignedDuration::try_from(observed.pace.init).unwrap_or(SignedDuration::ZERO);
    if elapsed < delay || *fate == Fate::Hangs {
        let again = (*fate != Fate::Hangs).then(|| positive(delay - elapsed));
        return waiting(observed, "ContainerCreating", again);
    }
    match fate {
        Fate::BadImage => {
            return broken_image(observed, "InvalidImageName", "Failed to apply default image tag: couldn't parse image name", None);
        }
        Fate::NoImage if elapsed < delay + PULL => {
            return broken_image(observed, "ErrImagePull", "the simulated node cannot pull image", Some(positive(delay + PULL - elapsed)));
        }
        Fate::NoImage => return broken_image(observed, "ImagePullBackOff", "Back-off pulling image", None),
        _ => {}
    }
    let init_time = each * init_count;
    if elapsed < delay + init_time {
        let position = ((elapsed - delay).as_millis() / each.as_millis().max(1)) as usize;
        let next = delay + each * i32::try_from(position + 1).unwrap_or(i32::MAX);
        return initializing(observed, position, positive(next - elapsed));
    }
    progress.running = Some(now);
    running(observed, fate, now)
}

fn start_delay(observed: &Observed) -> SignedDuration {
    let name = format!("{}/{}", object::namespace(observed.pod), object::name(observed.pod));
    let delay = chance::duration(observed.seed, &name, &observed.pace.start);
    SignedDuration::try_from(delay).unwrap_or(SignedDuration::ZERO) * if fate::is_slow(observed.pod) { 10 } else { 1 }
}

fn specs<'a>(pod: &'a Value, list: &str) -> &'a [Value] {
    object::items_at(pod, &["spec", list])
}

fn init(pod: &Value) -> impl Iterator<Item = Container<'_>> {
    specs(pod, "initContainers").iter().map(move |spec| Container::of(pod, spec, "initContainerStatuses"))
}

fn main(pod: &Value) -> impl Iterator<Item = Container<'_>> {
    specs(pod, "containers").iter().map(move |spec| Container::of(pod, spec, "containerStatuses"))
}

fn regular_init(pod: &Value) -> usize {
    init(pod).filter(|container| !container.is_restartable_init()).count()
}

/// Nothing has started.
fn waiting(observed: &Observed, reason: &str, again: Option<Duration>) -> Stage {
    let pod = observed.pod;
    let first = if specs(pod, "initContainers").is_empty() { reason } else { "PodInitializing" };
    let init = init(pod).map(|c| c.waiting("PodInitializing", "")).collect();
    Stage { phase: "Pending", init, containers: main(pod).map(|c| c.waiting(first, "")).collect(), sandbox: false, again }
}

fn broken_image(observed: &Observed, reason: &str, message: &str, again: Option<Duration>) -> Stage {
    let pod = observed.pod;
    let image = |c: &Container| format!("{message} {:?}", object::str_at(c.spec, &["image"]));
    let containers = main(pod).map(|c| c.waiting(reason, &image(&c))).collect();
    Stage { phase: "Pending", init: finished_init(observed), containers, sandbox: true, again }
}

/// The init container at a position runs; those before it have finished.
fn initializing(observed: &Observed, position: usize, again: Duration) -> Stage {
    let (pod, now) = (observed.pod, observed.now);
    let mut regular = 0;
    let init = init(pod).map(|c| {
        if c.is_restartable_init() {
            return if regular <= position { c.running(true, now) } else { c.waiting("PodInitializing", "") };
        }
        regular += 1;
        match (regular - 1).cmp(&position) {
            std::cmp::Ordering::Less => completed(&c, now),
            std::cmp::Ordering::Equal => c.running(false, now),
            std::cmp::Ordering::Greater => c.waiting("PodInitializing", ""),
        }
    });
    let init = init.collect();
    Stage {
        phase: "Pending",
        init,
        containers: main(pod).map(|c| c.waiting("PodInitializing", "")).collect(),
        sandbox: true,
        again: Some(again),
    }
}

fn finished_init(observed: &Observed) -> Vec<Value> {
    let now = observed.now;
    init(observed.pod).map(|c| if c.is_restartable_init() { c.running(true, now) } else { completed(&c, now) }).collect()
}

/// An init container that has done its work counts as ready.
fn completed(container: &Container, now: Timestamp) -> Value {
    let mut status = container.ended(0, "Completed", now);
    status["ready"] = true.into();
    status
}

fn running(observed: &Observed, fate: &Fate, since: Timestamp) -> Stage {
    let (pod, now) = (observed.pod, observed.now);
    let elapsed = now.duration_since(since);
    let mut again: Option<Duration> = None;
    let mut soonest = |at: Duration| again = Some(again.map_or(at, |present| present.min(at)));
    let mut phase = "Running";
    let containers = match fate {
        Fate::Ends { after, exit_code } => {
            let after = SignedDuration::try_from(*after).unwrap_or(SignedDuration::MAX);
            if elapsed >= after {
                phase = if *exit_code == 0 { "Succeeded" } else { "Failed" };
                let reason = if *exit_code == 0 { "Completed" } else { "Error" };
                main(pod).map(|c| c.ended(*exit_code, reason, now)).collect()
            } else {
                soonest(positive(after - elapsed));
                main(pod).map(|c| c.running(true, now)).collect()
            }
        }
        Fate::Crashes { exit_code, reason } => {
            let never = object::str_at(pod, &["spec", "restartPolicy"]) == "Never";
            let next: Vec<_> = main(pod).map(|c| (c.crashing(*exit_code, reason, now), c)).collect();
            let ended = never && next.iter().all(|(next, _)| object::at(&next.status, &["state", "waiting"]).is_some());
            if ended {
                phase = "Failed";
                next.iter().map(|(_, c)| c.ended(*exit_code, reason, now)).collect()
            } else {
                next.into_iter()
                    .map(|(next, _)| {
                        if let Some(at) = next.again {
                            soonest(at);
                        }
                        next.status
                    })
                    .collect()
            }
        }
        _ => main(pod)
            .map(|c| {
                let missing = c.ready_after() - elapsed;
                let ready = *fate != Fate::NeverReady && missing <= SignedDuration::ZERO;
                if !ready && *fate != Fate::NeverReady {
                    soonest(positive(missing));
                }
                c.running(ready, now)
            })
            .collect(),
    };
    Stage { phase, init: finished_init(observed), containers, sandbox: true, again }
}

/// The pod is going away: its containers end within their time, then it is deleted.
fn stop(observed: &Observed, mut progress: Progress) -> Plan {
    let (pod, now) = (observed.pod, observed.now);
    let first = progress.stopping.is_none();
    let since = *progress.stopping.get_or_insert(now);
    let grace = object::int_at(pod, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(30).max(0);
    let limit = observed.pace.stop.min(Duration::from_secs(grace.unsigned_abs()));
    let left = SignedDuration::try_from(limit).unwrap_or(SignedDuration::ZERO) - now.duration_since(since);
    let is_running = pod::phase(pod) == "Running";
    let mut told = Vec::new();
    if first && is_running {
        told.extend(main(pod).map(|c| Told::normal("Killing", format!("Stopping container {}", c.name()))));
    }
    if left > SignedDuration::ZERO && is_running {
        return Plan { status: None, told, delete: false, progress, again: Some(positive(left)) };
    }
    let status = is_running.then(|| {
        let stage = Stage {
            phase: "Running",
            init: Vec::new(),
            containers: main(pod).map(|c| c.ended(0, "Completed", now)).collect(),
            sandbox: false,
            again: None,
        };
        patch(observed, &stage)
    });
    Plan { status: status.flatten(), told, delete: true, progress, again: None }
}

/// What differs from the status that stands.
fn patch(observed: &Observed, stage: &Stage) -> Option<Value> {
    let (pod, now) = (observed.pod, observed.now);
    let mut status = json!({});
    let present = |key: &str| object::at(pod, &["status", key]);
    let mut put = |key: &str, value: Value| {
        if present(key) != Some(&value) {
            status[key] = value;
        }
    };
    put("phase", stage.phase.into());
    if !stage.init.is_empty() {
        put("initContainerStatuses", Value::Array(stage.init.clone()));
    }
    put("containerStatuses", Value::Array(stage.containers.clone()));
    if present("startTime").is_none() {
        put("startTime", time::rfc3339(observed.progress.bound).into());
    }
    let host = object::items_at(observed.node, &["status", "addresses"]).iter().find(|a| a["type"] == "InternalIP");
    if let Some(host) = host.map(|address| object::str_at(address, &["address"])) {
        put("hostIP", host.into());
        put("hostIPs", json!([{"ip": host}]));
        let shares_network = object::at(pod, &["spec", "hostNetwork"]) == Some(&Value::Bool(true));
        if stage.sandbox && present("podIP").is_none() {
            let ip = if shares_network { host } else { observed.address };
            put("podIP", ip.into());
            put("podIPs", json!([{"ip": ip}]));
        }
    }
    let conditions = status::conditions(pod, &stage.containers, &stage.init, stage.phase, stage.sandbox, now);
    if !conditions.is_empty() {
        status["conditions"] = Value::Array(conditions);
    }
    if status.as_object().is_none_or(|status| status.is_empty()) {
        return None;
    }
    if object::generation(pod) > 0 {
        status["observedGeneration"] = object::generation(pod).into();
    }
    let mut patch = json!({"status": status});
    if present("startTime").is_none() {
        patch["metadata"] = json!({"annotations": {SIMULATED: "true"}});
    }
    Some(patch)
}

/// Events of what has changed since the status that stands.
fn told(pod: &Value, stage: &Stage) -> Vec<Told> {
    let mut told = Vec::new();
    let before = |list: &str, name: &Value| {
        object::items_at(pod, &["status", list]).iter().find(|c| c["name"] == *name).cloned().unwrap_or_default()
    };
    for (list, statuses) in [("initContainerStatuses", &stage.init), ("containerStatuses", &stage.containers)] {
        for status in statuses {
            let old = before(list, &status["name"]);
            let (name, image) = (object::str_at(status, &["name"]), object::str_at(status, &["image"]));
            let began = |state: &Value| object::str_at(state, &["state", "running", "startedAt"]).to_owned();
            let ran_at_once = object::at(status, &["state", "terminated"]).is_some() && old["state"].get("waiting").is_some();
            if (!began(status).is_empty() && began(&old) != began(status)) || ran_at_once {
                told.push(Told::normal("Pulled", format!("Container image {image:?} already present on simulated node")));
                told.push(Told::normal("Created", format!("Created container: {name}")));
                told.push(Told::normal("Started", format!("Started container {name}")));
            }
            let reason = object::str_at(status, &["state", "waiting", "reason"]);
            if reason != object::str_at(&old, &["state", "waiting", "reason"]) {
                told.extend(of_waiting(pod, reason, name, image));
            }
        }
    }
    told
}

fn of_waiting(pod: &Value, reason: &str, name: &str, image: &str) -> Vec<Told> {
    let whole = format!("{}_{}({})", object::name(pod), object::namespace(pod), object::uid(pod));
    match reason {
        "ErrImagePull" => vec![
            Told::normal("Pulling", format!("Pulling image {image:?}")),
            Told::warning("Failed", format!("Failed to pull image {image:?}: the simulated node does not have it")),
            Told::warning("Failed", "Error: ErrImagePull"),
        ],
        "ImagePullBackOff" => {
            vec![Told::normal("BackOff", format!("Back-off pulling image {image:?}")), Told::warning("Failed", "Error: ImagePullBackOff")]
        }
        "InvalidImageName" => {
            vec![Told::warning("InspectFailed", format!("Failed to apply default image tag {image:?}: couldn't parse image name"))]
        }
        "CrashLoopBackOff" => vec![Told::warning("BackOff", format!("Back-off restarting failed container {name} in pod {whole}"))],
        _ => Vec::new(),
    }
}

fn positive(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default().max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests;
