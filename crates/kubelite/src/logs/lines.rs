//! The lines that a simulated container has written so far.

use comity_core::{Reason, Status, Value, duration, object, time};
use jiff::{SignedDuration, Timestamp};

/// Time between two lines.
const EVERY: SignedDuration = SignedDuration::from_secs(10);
/// Lines that are kept.
const KEPT: i64 = 1000;

/// One run of a container.
pub(super) struct Log {
    title: String,
    began: Timestamp,
    /// When and with which code it ended.
    ended: Option<(Timestamp, i64)>,
}

impl Log {
    pub(super) fn open(pod: &Value, container: &str, previous: bool) -> Result<Self, Status> {
        let name = object::name(pod);
        let bad = |message: String| Status::new(Reason::BadRequest, message);
        let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
        let statuses = lists.iter().flat_map(|list| object::items_at(pod, &["status", list]));
        let Some(status) = statuses.into_iter().find(|status| status["name"] == container) else {
            return Err(bad(format!("container {container:?} in pod {name:?} is not available")));
        };
        let terminated = |key: &str| object::at(status, &[key, "terminated"]);
        let run = if previous {
            terminated("lastState").ok_or_else(|| bad(format!("previous terminated container {container:?} in pod {name:?} not found")))?
        } else if let Some(running) = object::at(status, &["state", "running"]) {
            running
        } else if let Some(run) = terminated("state").or_else(|| terminated("lastState")) {
            run
        } else {
            let reason = match object::str_at(status, &["state", "waiting", "reason"]) {
                "" => "ContainerCreating",
                reason => reason,
            };
            let waits = if matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName") {
                "trying and failing to pull image".to_owned()
            } else {
                reason.to_owned()
            };
            return Err(bad(format!("container {container:?} in pod {name:?} is waiting to start: {waits}")));
        };
        let id = object::str_at(status, &["containerID"]);
        if !id.starts_with("comity-sim://") {
            return Err(bad(format!("container {container:?} in pod {name:?} is not simulated: its node has its log")));
        }
        let began = time::parse(object::str_at(run, &["startedAt"])).unwrap_or(Timestamp::UNIX_EPOCH);
        let ended = time::parse(object::str_at(run, &["finishedAt"])).map(|at| (at, object::int_at(run, &["exitCode"]).unwrap_or(0)));
        let image = object::str_at(status, &["image"]);
        let title = format!("container {container} of pod {}/{name}, image {image}", object::namespace(pod));
        Ok(Self { title, began, ended })
    }

    pub(super) fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// All lines up to a time.
    pub(super) fn until(&self, now: Timestamp) -> Vec<(Timestamp, String)> {
        let end = self.ended.map_or(now, |(at, _)| at.min(now));
        let count = (end.duration_since(self.began).as_secs() / EVERY.as_secs()).max(0);
        let mut lines = Vec::new();
        if count < KEPT && self.began <= now {
            lines.push((self.began, format!("[simulated] {}: no process runs here, these lines are generated", self.title)));
        }
        for number in (count - KEPT + 1).max(1)..=count {
            let after = EVERY * i32::try_from(number).unwrap_or(i32::MAX);
            lines.push((self.began + after, format!("[simulated] running for {}", duration::human(after.as_secs()))));
        }
        if let Some((at, code)) = self.ended.filter(|(at, _)| *at <= now) {
            lines.push((at, format!("[simulated] exited with code {code}")));
        }
        lines
    }
}

/// A line as it is sent.
pub(super) fn shown(at: Timestamp, line: &str, timestamps: bool) -> String {
    if timestamps { format!("{} {line}\n", time::rfc3339_micro(at)) } else { format!("{line}\n") }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn pod(state: Value, last: Value) -> Value {
        json!({"metadata": {"name": "p", "namespace": "d"}, "status": {"containerStatuses": [
            {"name": "c", "image": "nginx", "containerID": "comity-sim://1", "state": state, "lastState": last}]}})
    }

    fn text(pod: &Value, previous: bool, now: &str) -> String {
        match Log::open(pod, "c", previous) {
            Ok(log) => log.until(now.parse().unwrap()).into_iter().map(|(at, line)| format!("{at} {line}")).collect::<Vec<_>>().join("\n"),
            Err(status) => format!("{} {}", status.code, status.message),
        }
    }

    #[test]
    fn a_log_says_that_it_is_generated_and_goes_on_with_time() {
        let ended = json!({"terminated": {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:12Z", "exitCode": 1}});
        let running = pod(json!({"running": {"startedAt": "2026-01-01T01:00:00Z"}}), ended);
        insta::assert_snapshot!(text(&running, false, "2026-01-01T01:00:25Z"), @r"
        2026-01-01T01:00:00Z [simulated] container c of pod d/p, image nginx: no process runs here, these lines are generated
        2026-01-01T01:00:10Z [simulated] running for 10s
        2026-01-01T01:00:20Z [simulated] running for 20s
        ");
        insta::assert_snapshot!(text(&running, true, "2026-01-01T01:00:25Z"), @r"
        2026-01-01T00:00:00Z [simulated] container c of pod d/p, image nginx: no process runs here, these lines are generated
        2026-01-01T00:00:10Z [simulated] running for 10s
        2026-01-01T00:00:12Z [simulated] exited with code 1
        ");
    }

    #[test]
    fn what_has_not_run_has_no_log() {
        let waiting = pod(json!({"waiting": {"reason": "ContainerCreating"}}), json!({}));
        let now = "2026-01-01T00:00:00Z";
        assert_eq!(text(&waiting, false, now), r#"400 container "c" in pod "p" is waiting to start: ContainerCreating"#);
        assert_eq!(text(&waiting, true, now), r#"400 previous terminated container "c" in pod "p" not found"#);
        let mut real = pod(json!({"running": {"startedAt": now}}), json!({}));
        real["status"]["containerStatuses"][0]["containerID"] = "containerd://1".into();
        assert!(text(&real, false, now).contains("is not simulated"));
    }

    #[test]
    fn only_the_latest_lines_of_a_long_life_are_kept() {
        let old = pod(json!({"running": {"startedAt": "2020-01-01T00:00:00Z"}}), json!({}));
        let log = Log::open(&old, "c", false).unwrap();
        assert_eq!(log.until("2026-01-01T00:00:00Z".parse().unwrap()).len(), 1000);
    }
}
