//! States of single containers.

use std::time::Duration;

use comity_core::{Value, json, object, time};
use jiff::{SignedDuration, Timestamp};

/// How long a crashing container runs.
const CRASH_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// Pauses between restarts.
const FIRST_PAUSE: i64 = 10;
const LONGEST_PAUSE: i64 = 300;

/// A container's spec with the status it has now.
pub(super) struct Container<'a> {
    pub(super) spec: &'a Value,
    pub(super) present: Option<&'a Value>,
    pub(super) pod: &'a Value,
}

/// What a container turns into.
pub(super) struct Next {
    pub(super) status: Value,
    /// When it must be looked at again.
    pub(super) again: Option<Duration>,
}

impl<'a> Container<'a> {
    pub(super) fn of(pod: &'a Value, spec: &'a Value, list: &str) -> Self {
        let present = object::items_at(pod, &["status", list]).iter().find(|status| status["name"] == spec["name"]);
        Self { spec, present, pod }
    }

    pub(super) fn name(&self) -> &'a str {
        object::str_at(self.spec, &["name"])
    }

    pub(super) fn restarts(&self) -> i64 {
        self.present.and_then(|status| object::int_at(status, &["restartCount"])).unwrap_or(0)
    }

    /// The time in a state, as `running.startedAt`.
    pub(super) fn time(&self, state: &[&str]) -> Option<Timestamp> {
        time::parse(object::str_at(self.present?, state))
    }

    pub(super) fn waiting(&self, reason: &str, message: &str) -> Value {
        let mut waiting = json!({"reason": reason});
        if !message.is_empty() {
            waiting["message"] = message.into();
        }
        self.status(json!({"waiting": waiting}), false, false, self.restarts(), self.last())
    }

    /// Running since the time it has, or since now.
    pub(super) fn running(&self, ready: bool, now: Timestamp) -> Value {
        let since = self.time(&["state", "running", "startedAt"]).unwrap_or(now);
        self.status(json!({"running": {"startedAt": time::rfc3339(since)}}), ready, true, self.restarts(), self.last())
    }

    /// Ended; a container that has ended stays as it is.
    pub(super) fn ended(&self, exit_code: i64, reason: &str, now: Timestamp) -> Value {
        if let Some(present) = self.present.filter(|present| object::at(present, &["state", "terminated"]).is_some()) {
            return present.clone();
        }
        self.status(json!({"terminated": self.termination(exit_code, reason, now)}), false, false, self.restarts(), self.last())
    }

    /// One that crashes: running for a moment, then waiting for its next start, again and again.
    pub(super) fn crashing(&self, exit_code: i64, reason: &str, now: Timestamp) -> Next {
        let key = format!("{}(uid {})", object::name(self.pod), object::uid(self.pod));
        if let Some(since) = self.time(&["state", "running", "startedAt"]) {
            if since + CRASH_AFTER > now {
                return Next { status: self.running(true, now), again: Some(until(since + CRASH_AFTER, now)) };
            }
            let pause = pause(self.restarts());
            let message = format!("back-off {pause}s restarting failed container={} pod={key}", self.name());
            let last = json!({"terminated": self.termination(exit_code, reason, now)});
            let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
            let status = self.status(waiting, false, false, self.restarts(), last);
            return Next { status, again: Some(Duration::from_secs(pause.unsigned_abs())) };
        }
        match (self.time(&["lastState", "terminated", "finishedAt"]), self.present) {
            (Some(at), Some(present)) => {
                let start = at + SignedDuration::from_secs(pause(self.restarts()));
                if start > now {
                    return Next { status: present.clone(), again: Some(until(start, now)) };
                }
                let state = json!({"running": {"startedAt": time::rfc3339(now)}});
                let status = self.status(state, true, true, self.restarts() + 1, self.last());
                Next { status, again: Some(until(now + CRASH_AFTER, now)) }
            }
            _ => Next { status: self.running(true, now), again: Some(until(now + CRASH_AFTER, now)) },
        }
    }

    /// When its readiness probe succeeds first, counted from its start.
    pub(super) fn ready_after(&self) -> SignedDuration {
        let probe = |name: &str| {
            self.spec.get(name).map_or(0, |probe| {
                object::int_at(probe, &["initialDelaySeconds"]).unwrap_or(0) + object::int_at(probe, &["periodSeconds"]).unwrap_or(10)
            })
        };
        SignedDuration::from_secs(probe("startupProbe").saturating_add(probe("readinessProbe")))
    }

    pub(super) fn is_restartable_init(&self) -> bool {
        self.spec["restartPolicy"] == "Always"
    }

    fn last(&self) -> Value {
        self.present.map(|present| present["lastState"].clone()).filter(|last| !last.is_null()).unwrap_or_else(|| json!({}))
    }

    fn termination(&self, exit_code: i64, reason: &str, now: Timestamp) -> Value {
        let since = self.time(&["state", "running", "startedAt"]).unwrap_or(now);
        json!({
            "exitCode": exit_code, "reason": reason, "startedAt": time::rfc3339(since), "finishedAt": time::rfc3339(now),
            "containerID": self.id(self.restarts()),
        })
    }

    fn status(&self, state: Value, ready: bool, started: bool, restarts: i64, last: Value) -> Value {
        let image = object::str_at(self.spec, &["image"]);
        let has_run = state.get("waiting").is_none() || last.as_object().is_some_and(|last| !last.is_empty());
        let mut status = json!({"name": self.name(), "state": state, "lastState": last, "ready": ready, "restartCount": restarts, "image": image, "imageID": ""});
        if has_run {
            status["imageID"] = format!("comity-sim://image/{:016x}", fnv(image)).into();
            status["containerID"] = self.id(restarts).into();
        }
        status["started"] = started.into();
        status
    }

    fn id(&self, restarts: i64) -> String {
        let part = |salt: u8| fnv(&format!("{}/{}/{restarts}/{salt}", object::uid(self.pod), self.name()));
        format!("comity-sim://{:016x}{:016x}{:016x}{:016x}", part(0), part(1), part(2), part(3))
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_until(at)).unwrap_or(Duration::from_millis(1))
}

fn pause(restarts: i64) -> i64 {
    FIRST_PAUSE.saturating_mul(1 << restarts.clamp(0, 10)).min(LONGEST_PAUSE)
}

pub(super) fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
