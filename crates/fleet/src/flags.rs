//! Conditions of a `KubeFedCluster` that other parts than its health set: they are merged into the status that the
//! member's own task writes, so that there is one writer.

use std::collections::BTreeMap;

use comity_api_kubefed::cluster::HEALTH_CONDITIONS;
use comity_core::{Value, object};
use parking_lot::RwLock;
use tokio::sync::Notify;

/// A condition that somebody else than the health probe sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlaggedCondition {
    /// Its type, `DeletionsHeld` for example. The types of health are not to be flagged.
    pub kind: String,
    /// Whether it holds.
    pub status: bool,
    /// Machine-readable reason.
    pub reason: String,
    /// For people; a new text is written.
    pub message: String,
}

/// The extra conditions of one member.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    all: RwLock<BTreeMap<String, FlaggedCondition>>,
    changed: Notify,
}

impl Flags {
    /// What an earlier process flagged and nobody took away.
    pub fn stored(cluster: &Value) -> Self {
        let text = |condition: &Value, key: &str| object::str_at(condition, &[key]).to_owned();
        let all = object::items_at(cluster, &["status", "conditions"]).iter().map(|c| FlaggedCondition {
            kind: text(c, "type"),
            status: c["status"] == "True",
            reason: text(c, "reason"),
            message: text(c, "message"),
        });
        let all = all.filter(|c| !HEALTH_CONDITIONS.contains(&c.kind.as_str())).map(|c| (c.kind.clone(), c)).collect();
        Self { all: RwLock::new(all), changed: Notify::new() }
    }

    pub fn all(&self) -> BTreeMap<String, FlaggedCondition> {
        self.all.read().clone()
    }

    pub fn set(&self, condition: FlaggedCondition) {
        let mut all = self.all.write();
        if all.get(&condition.kind) != Some(&condition) {
            all.insert(condition.kind.clone(), condition);
            self.changed.notify_one();
        }
    }

    pub fn remove(&self, kind: &str) {
        if self.all.write().remove(kind).is_some() {
            self.changed.notify_one();
        }
    }

    /// Waits until something was set or removed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn what_was_flagged_before_a_restart_stands_and_health_is_looked_at_anew() {
        let cluster = json!({"status": {"conditions": [
            {"type": "Ready", "status": "True", "reason": "ClusterReady"},
            {"type": "DeletionsHeld", "status": "True", "reason": "TooMany", "message": "id 7"},
        ]}});
        let flags = Flags::stored(&cluster);
        let held = FlaggedCondition { kind: "DeletionsHeld".into(), status: true, reason: "TooMany".into(), message: "id 7".into() };
        assert_eq!(flags.all(), BTreeMap::from([("DeletionsHeld".to_owned(), held)]));
        flags.remove("DeletionsHeld");
        assert!(flags.all().is_empty());
    }
}
