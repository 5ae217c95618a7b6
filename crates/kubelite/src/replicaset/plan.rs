//! Which pods to take, make and delete.

use std::sync::Arc;

use comity_core::{Value, object};
use jiff::Timestamp;

use crate::kit::{claim, pod, rank};

/// Creations and deletions of one round at most.
const BURST: i64 = 500;

/// What a round sees.
pub(super) struct Observed {
    pub(super) set: Arc<Value>,
    /// Pods that the set controls.
    pub(super) owned: Vec<Arc<Value>>,
    /// Pods of the namespace that nobody controls.
    pub(super) orphans: Vec<Arc<Value>>,
    /// Pods of all sets with the same controller.
    pub(super) crowd: Vec<Arc<Value>>,
    pub(super) now: Timestamp,
}

/// What a round does.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) adopt: Vec<Arc<Value>>,
    pub(super) release: Vec<Arc<Value>>,
    pub(super) scale: Scale,
    /// All pods that count for the set.
    pub(super) pods: Vec<Arc<Value>>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Scale {
    Keep,
    Create(usize),
    Delete(Vec<Arc<Value>>),
}

pub(super) fn plan(observed: &Observed) -> Plan {
    let set = &observed.set;
    let Some(selector) = claim::selector(set) else {
        return Plan { adopt: Vec::new(), release: Vec::new(), scale: Scale::Keep, pods: Vec::new() };
    };
    // finished orphans are history: nobody's
    let orphans = observed.orphans.iter().filter(|orphan| pod::is_active(orphan)).cloned().collect();
    let claim = claim::claim(set, &selector, observed.owned.clone(), orphans);
    let pods: Vec<_> = claim.kept.iter().chain(&claim.adopt).cloned().collect();
    let scale = if object::is_deleting(set) { Scale::Keep } else { scale(observed, &pods) };
    Plan { adopt: claim.adopt, release: claim.release, scale, pods }
}

fn scale(observed: &Observed, pods: &[Arc<Value>]) -> Scale {
    let mut active: Vec<_> = pods.iter().filter(|p| pod::is_active(p)).cloned().collect();
    let wanted = object::int_at(&observed.set, &["spec", "replicas"]).unwrap_or(1);
    let surplus = i64::try_from(active.len()).unwrap_or(i64::MAX) - wanted;
    let count = usize::try_from(surplus.unsigned_abs().min(BURST.unsigned_abs())).unwrap_or(0);
    match surplus {
        0 => Scale::Keep,
        ..0 => Scale::Create(count),
        _ => {
            let crowd: Vec<_> = observed.crowd.iter().filter(|p| pod::is_active(p)).cloned().collect();
            rank::sort(&mut active, &crowd, observed.now);
            active.truncate(count);
            Scale::Delete(active)
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn pods(states: &str) -> Vec<Arc<Value>> {
        let pod = |(index, state): (usize, &str)| {
            let mut pod = json!({"metadata": {"name": format!("{state}-{index}"), "labels": {"app": "a"}}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
            match state {
                "gone" => pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into(),
                "failed" => pod["status"]["phase"] = "Failed".into(),
                "ready" => {
                    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}])
                }
                _ => {}
            }
            Arc::new(pod)
        };
        states.split_whitespace().enumerate().map(pod).collect()
    }

    fn planned(replicas: i64, deleting: bool, owned: &str, orphans: &str) -> String {
        let mut set = json!({"metadata": {"name": "s"}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}}});
        if deleting {
            set["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        let now = "2026-01-02T00:00:00Z".parse().unwrap();
        let plan = plan(&Observed { set: Arc::new(set), owned: pods(owned), orphans: pods(orphans), crowd: pods(owned), now });
        let scale = match &plan.scale {
            Scale::Keep => "keep".to_owned(),
            Scale::Create(count) => format!("create {count}"),
            Scale::Delete(pods) => format!("delete {}", pods.iter().map(|p| object::name(p)).collect::<Vec<_>>().join(" ")),
        };
        format!("{scale}; adopt {}", plan.adopt.len())
    }

    #[test]
    fn active_pods_are_brought_to_the_wanted_number() {
        let cases = [
            (3, false, "", "", "create 3; adopt 0"),
            (3, false, "ready run", "", "create 1; adopt 0"),
            (3, false, "ready gone failed", "", "create 2; adopt 0"),
            (3, false, "ready run", "run failed gone", "keep; adopt 1"),
            (1, false, "ready run ready", "", "delete run-1 ready-0; adopt 0"),
            (0, false, "ready gone", "", "delete ready-0; adopt 0"),
            (1000, false, "", "", "create 500; adopt 0"),
            (3, true, "run", "run", "keep; adopt 0"),
        ];
        for (replicas, deleting, owned, orphans, expected) in cases {
            assert_eq!(planned(replicas, deleting, owned, orphans), expected, "{replicas} of {owned:?} and {orphans:?}");
        }
    }
}
