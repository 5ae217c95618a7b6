//! When a node's status and lease are due.

use std::{sync::Arc, time::Duration};

use comity_core::{Value, condition, object};
use jiff::{SignedDuration, Timestamp};

use super::{address, status, taints};
use crate::{
    config::MemberConfig,
    kit::{chance, simulated},
};

const HEARTBEAT: SignedDuration = SignedDuration::from_mins(5);

/// When a node last showed signs of life in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Beats {
    status: Option<Timestamp>,
    lease: Option<Timestamp>,
}

/// What a round does.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The pod addresses that the node gets.
    pub(super) pod_block: Option<String>,
    pub(super) status: Option<Value>,
    /// The taints that the node should have instead of its present ones.
    pub(super) taints: Option<Vec<Value>>,
    pub(super) became_ready: bool,
    pub(super) renew: bool,
    pub(super) beats: Beats,
    pub(super) again: Option<Duration>,
}

pub(super) fn plan(config: &MemberConfig, node: &Value, all: &[Arc<Value>], beats: Beats, now: Timestamp) -> Plan {
    let mut plan = Plan { beats, ..Plan::default() };
    if simulated::is_unreachable(node) {
        // like a node that has lost its power: no sign of life at all
        return plan;
    }
    if object::str_at(node, &["spec", "podCIDR"]).is_empty() {
        plan.pod_block = address::free_block(all.iter().map(|node| &**node));
    }
    plan.taints = taints::changed(node);
    let ready = condition::is_true(node, "Ready");
    let due = |last: Option<Timestamp>, every: SignedDuration| last.is_none_or(|last| last + every <= now);
    if !ready || !condition::is_true(node, "Simulated") || due(beats.status, HEARTBEAT) {
        plan.status = Some(status::wanted(config, node, now));
        plan.became_ready = !ready;
        plan.beats.status = Some(now);
    }
    // ten seconds, spread so that the nodes of a process do not write at the same moment
    let name = object::name(node);
    let every = SignedDuration::from_millis(9_500 + (chance::fraction(config.seed, name) * 1000.0) as i64);
    if due(beats.lease, every) {
        plan.renew = true;
        plan.beats.lease = Some(now);
    }
    let next = [plan.beats.status.map(|at| at + HEARTBEAT), plan.beats.lease.map(|at| at + every)];
    plan.again = next.into_iter().flatten().min().map(|at| Duration::try_from(now.duration_until(at)).unwrap_or(Duration::from_millis(1)));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> MemberConfig {
        MemberConfig::new("east", Arc::new(|_| unreachable!("no request is planned by a client")))
    }

    #[test]
    fn a_new_node_gets_its_status_and_lease_and_then_only_leases_until_the_heartbeat() {
        let config = config();
        let mut node = status::new_node(&config, 0);
        node["status"] = Value::Null;
        let mut now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let first = plan(&config, &node, &[], Beats::default(), now);
        assert!(first.became_ready && first.renew && first.pod_block.is_none());
        node["status"] = first.status.unwrap();
        let (mut beats, mut leases, mut heartbeats) = (first.beats, 0, 0);
        let mut again = first.again.unwrap();
        let end = now + SignedDuration::from_mins(10);
        while now + SignedDuration::try_from(again).unwrap() <= end {
            now += SignedDuration::try_from(again).unwrap();
            let next = plan(&config, &node, &[], beats, now);
            assert!(!next.became_ready);
            leases += i32::from(next.renew);
            heartbeats += i32::from(next.status.is_some());
            (beats, again) = (next.beats, next.again.unwrap());
        }
        assert_eq!(heartbeats, 2);
        assert!((57..=63).contains(&leases), "{leases}");
    }

    #[test]
    fn a_node_that_is_to_look_lost_writes_nothing() {
        let config = config();
        let mut node = status::new_node(&config, 0);
        object::set(&mut node, &["metadata", "annotations", simulated::SIMULATE], "Unreachable".into());
        let planned = plan(&config, &node, &[], Beats::default(), "2026-01-01T00:00:00Z".parse().unwrap());
        assert!(planned.status.is_none() && !planned.renew && planned.again.is_none());
    }
}
