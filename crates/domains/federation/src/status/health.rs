//! Replica counts of copies, read from their own status.

use comity_core::{Value, object};

/// Counts of one copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct One {
    /// Replicas that it should have; `None` for kinds without.
    pub desired: Option<i64>,
    pub ready: i64,
    pub updated: i64,
    pub available: i64,
}

/// Counts of all copies.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub desired: i64,
    pub ready: i64,
    pub updated: i64,
    pub available: i64,
    /// Clusters that lack available replicas, with what they have.
    pub lacking: Vec<String>,
    /// Clusters whose roll-out is not complete.
    pub rolling: Vec<String>,
    copies: usize,
}

/// Reads one copy's counts. A status of an older generation counts, but its replicas are not the new ones.
pub(super) fn count(replicas: Option<i64>, status: Option<&Value>, generation: i64) -> One {
    let read = |key: &str| status.and_then(|s| object::int_at(s, &[key]));
    // DaemonSets count by node
    if let Some(desired) = read("desiredNumberScheduled") {
        let current = read("observedGeneration").is_none_or(|seen| seen >= generation);
        return One {
            desired: Some(desired),
            ready: read("numberReady").unwrap_or(0),
            updated: if current { read("updatedNumberScheduled").unwrap_or(0) } else { 0 },
            available: read("numberAvailable").unwrap_or(0),
        };
    }
    let Some(desired) = replicas else { return One::default() };
    let current = read("observedGeneration").is_none_or(|seen| seen >= generation);
    let total = read("replicas").unwrap_or(0);
    One {
        desired: Some(desired),
        ready: read("readyReplicas").unwrap_or(0),
        // ReplicaSets have no revisions: all of theirs are the present one's
        updated: if current { read("updatedReplicas").unwrap_or(if status.is_some_and(has_revisions) { 0 } else { total }) } else { 0 },
        available: read("availableReplicas").unwrap_or(0),
    }
}

fn has_revisions(status: &Value) -> bool {
    status.get("conditions").is_some() || status.get("updateRevision").is_some()
}

impl Counts {
    pub fn any(&self) -> bool {
        self.copies > 0
    }

    pub fn add(&mut self, cluster: &str, one: &One) {
        let Some(desired) = one.desired else { return };
        self.copies += 1;
        self.desired += desired;
        self.ready += one.ready;
        self.updated += one.updated;
        self.available += one.available;
        if one.available < desired {
            self.lacking.push(format!("{cluster} {}/{desired}", one.available));
        }
        if one.updated < desired {
            self.rolling.push(format!("{cluster} {}/{desired}", one.updated));
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn a_status_of_an_older_generation_has_no_updated_replicas() {
        let status = json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3});
        assert_eq!(count(Some(3), Some(&status), 1).updated, 3);
        assert_eq!(count(Some(3), Some(&status), 2).updated, 0);
        assert_eq!(count(Some(3), Some(&status), 2).ready, 3);
    }

    #[test]
    fn kinds_without_replicas_count_nothing() {
        assert_eq!(count(None, Some(&json!({"loadBalancer": {}})), 0), One::default());
        assert_eq!(count(Some(2), None, 0), One { desired: Some(2), ..One::default() });
    }
}
