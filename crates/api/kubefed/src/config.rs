//! `KubeFedConfig`: the control plane's one configuration object. It is optional; absent means defaults.

use std::{collections::BTreeMap, time::Duration};

use comity_core::{Value, duration::parse_go, json, object};

use crate::deletion::{self, DeletionLimits};

/// A view with defaults filled in. What cannot be read falls back to its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeFedConfig {
    /// Whether only the system namespace is federated.
    pub namespaced: bool,
    /// How long a returned member must stay ready before it receives new replicas.
    pub available_delay: Duration,
    /// Default toleration before divided placements treat a member that is not ready as gone.
    pub unavailable_delay: Duration,
    /// After this time a cache that did not sync is reported.
    pub cache_sync_timeout: Duration,
    /// Time between health probes.
    pub probe_period: Duration,
    /// Deadline of one probe.
    pub probe_timeout: Duration,
    /// Failures in a row that take a member out.
    pub failure_threshold: u32,
    /// Successes in a row that bring it back.
    pub success_threshold: u32,
    /// Whether existing unmanaged objects are taken over.
    pub adopt_resources: bool,
    /// Lower bound of concurrent reconciles of one type.
    pub max_concurrent_reconciles: usize,
    /// How many deletions may follow from a changed wish.
    pub deletion_limits: DeletionLimits,
    /// How long a deletion waits for a member that does not answer.
    pub defer_after: Duration,
    /// Feature gates by name.
    pub gates: BTreeMap<String, bool>,
}

impl Default for KubeFedConfig {
    fn default() -> Self {
        Self::read(&json!({}))
    }
}

impl KubeFedConfig {
    /// Reads the stored object.
    pub fn read(value: &Value) -> Self {
        let time = |path: &[&str], default: u64| {
            let text = object::str_at(value, path);
            parse_go(text).filter(|d| !d.is_zero()).unwrap_or(Duration::from_secs(default))
        };
        let count = |path: &[&str], default: i64| object::int_at(value, path).filter(|n| *n > 0).unwrap_or(default);
        let mut gates: BTreeMap<String, bool> =
            [("PushReconciler", true), ("SchedulerPreferences", true), ("RawResourceStatusCollection", true)]
                .map(|(n, on)| (n.to_owned(), on))
                .into();
        for gate in object::items_at(value, &["spec", "featureGates"]) {
            gates.insert(object::str_at(gate, &["name"]).to_owned(), object::str_at(gate, &["configuration"]) == "Enabled");
        }
        Self {
            namespaced: object::str_at(value, &["spec", "scope"]) == "Namespaced",
            available_delay: time(&["spec", "controllerDuration", "availableDelay"], 20),
            unavailable_delay: time(&["spec", "controllerDuration", "unavailableDelay"], 60),
            cache_sync_timeout: time(&["spec", "controllerDuration", "cacheSyncTimeout"], 300),
            probe_period: time(&["spec", "clusterHealthCheck", "period"], 10),
            probe_timeout: time(&["spec", "clusterHealthCheck", "timeout"], 3),
            failure_threshold: u32::try_from(count(&["spec", "clusterHealthCheck", "failureThreshold"], 3)).unwrap_or(3),
            success_threshold: u32::try_from(count(&["spec", "clusterHealthCheck", "successThreshold"], 1)).unwrap_or(1),
            adopt_resources: object::str_at(value, &["spec", "syncController", "adoptResources"]) != "Disabled",
            max_concurrent_reconciles: usize::try_from(count(&["spec", "syncController", "maxConcurrentReconciles"], 1)).unwrap_or(1),
            deletion_limits: DeletionLimits::of(value),
            defer_after: deletion::defer_after(value),
            gates,
        }
    }

    /// Whether a gate is on; unknown gates are off.
    pub fn gate(&self, name: &str) -> bool {
        self.gates.get(name).copied().unwrap_or(false)
    }
}

/// Fills a new configuration with KubeFed's defaults and keeps what the user set.
///
/// `RawResourceStatusCollection` is not filled in: Comity collects status unless the user says no, and a stored
/// default could not be told from the user's word.
pub fn set_defaults(value: &mut Value) {
    let defaults: [(&[&str], Value); 14] = [
        (&["spec", "controllerDuration", "availableDelay"], json!("20s")),
        (&["spec", "controllerDuration", "unavailableDelay"], json!("1m0s")),
        (&["spec", "controllerDuration", "cacheSyncTimeout"], json!("5m0s")),
        (&["spec", "leaderElect", "resourceLock"], json!("configmaps")),
        (&["spec", "leaderElect", "retryPeriod"], json!("5s")),
        (&["spec", "leaderElect", "renewDeadline"], json!("10s")),
        (&["spec", "leaderElect", "leaseDuration"], json!("15s")),
        (&["spec", "clusterHealthCheck", "period"], json!("10s")),
        (&["spec", "clusterHealthCheck", "timeout"], json!("3s")),
        (&["spec", "clusterHealthCheck", "failureThreshold"], json!(3)),
        (&["spec", "clusterHealthCheck", "successThreshold"], json!(1)),
        (&["spec", "syncController", "maxConcurrentReconciles"], json!(1)),
        (&["spec", "syncController", "adoptResources"], json!("Enabled")),
        (&["spec", "statusController", "maxConcurrentReconciles"], json!(1)),
    ];
    for (path, default) in defaults {
        if object::at(value, path).is_none() {
            object::set(value, path, default);
        }
    }
    let mut gates = object::items_at(value, &["spec", "featureGates"]).to_vec();
    for name in ["PushReconciler", "SchedulerPreferences"] {
        if !gates.iter().any(|g| g["name"] == name) {
            gates.push(json!({"name": name, "configuration": "Enabled"}));
        }
    }
    gates.sort_by(|a, b| object::str_at(a, &["name"]).cmp(object::str_at(b, &["name"])));
    object::set(value, &["spec", "featureGates"], Value::Array(gates));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_means_defaults() {
        let config = KubeFedConfig::default();
        assert_eq!(config.probe_period, Duration::from_secs(10));
        assert_eq!((config.failure_threshold, config.success_threshold), (3, 1));
        assert!(config.adopt_resources && !config.namespaced && config.gate("PushReconciler"));
    }

    #[test]
    fn defaulting_keeps_what_the_user_set() {
        let mut value = json!({"spec": {"scope": "Cluster", "clusterHealthCheck": {"period": "2s"}, "featureGates": [{"name": "SchedulerPreferences", "configuration": "Disabled"}]}});
        set_defaults(&mut value);
        let config = KubeFedConfig::read(&value);
        assert_eq!(config.probe_period, Duration::from_secs(2));
        assert!(!config.gate("SchedulerPreferences"));
        assert!(crate::admission::config(&value, None).is_empty());
    }
}
