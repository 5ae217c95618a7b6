//! Events about writes to members: one for each outcome of an object, however many clusters it concerns.
//!
//! An object that goes to a thousand clusters would otherwise make a thousand events, each a write of the hub, and most
//! of them would be cut off as a flood. What happened within a moment is told together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use comity_core::Value;
use comity_runtime::{Key, events::EventKind};
use parking_lot::Mutex;

use crate::types::Running;

/// How long the first outcome waits for others, for an object in so many clusters.
pub(crate) fn moment(clusters: usize) -> Duration {
    crate::domain::gather_for(clusters)
}

/// So often the outcomes are waited for again while more of them come: a fleet that has much to do tells an object's once.
const AGAIN: usize = 8;
/// So many clusters are named.
const NAMED: usize = 20;

/// Outcomes that were not told yet, by object.
#[derive(Default)]
pub(crate) struct Announcements(Mutex<BTreeMap<Key, Waiting>>);

struct Waiting {
    running: Arc<Running>,
    object: Arc<Value>,
    outcomes: Outcomes,
    /// Something came since the last look.
    fresh: bool,
}

/// Clusters by reason and text without the cluster.
pub(crate) type Outcomes = BTreeMap<(&'static str, String), Vec<Arc<str>>>;

impl Announcements {
    /// Takes an outcome in. Whether it is the first of its moment: the caller then tells the object's later.
    pub(crate) fn add(
        &self,
        key: &Key,
        running: &Arc<Running>,
        object: &Arc<Value>,
        outcome: (&'static str, String),
        cluster: &Arc<str>,
    ) -> bool {
        let mut all = self.0.lock();
        let first = !all.contains_key(key);
        let waiting = all.entry(key.clone()).or_insert_with(|| Waiting {
            running: running.clone(),
            object: object.clone(),
            outcomes: Outcomes::new(),
            fresh: false,
        });
        waiting.fresh = !first;
        waiting.object = object.clone();
        waiting.outcomes.entry(outcome).or_default().push(cluster.clone());
        first
    }

    /// Waits until an object's outcomes are together.
    pub(crate) async fn gather(&self, key: &Key, moment: Duration) {
        for _ in 0..AGAIN {
            tokio::time::sleep(moment).await;
            if !self.0.lock().get_mut(key).is_some_and(|waiting| std::mem::take(&mut waiting.fresh)) {
                return;
            }
        }
    }

    /// Tells what was taken in for an object.
    pub(crate) fn tell(&self, key: &Key) {
        let Some(waiting) = self.0.lock().remove(key) else { return };
        for (reason, message) in words(waiting.outcomes) {
            waiting.running.executor.recorder.record(&waiting.object, EventKind::Normal, reason, &message);
        }
    }
}

/// The events: reason and message.
fn words(outcomes: Outcomes) -> Vec<(&'static str, String)> {
    outcomes.into_iter().map(|((reason, text), clusters)| (reason, format!("{text} {}", in_clusters(clusters)))).collect()
}

fn in_clusters(mut clusters: Vec<Arc<str>>) -> String {
    clusters.sort_unstable();
    clusters.dedup();
    if let [only] = &clusters[..] {
        return format!("in cluster {only:?}");
    }
    let named: Vec<String> = clusters.iter().take(NAMED).map(|cluster| format!("{cluster:?}")).collect();
    match clusters.len().saturating_sub(NAMED) {
        0 => format!("in {} clusters: {}", clusters.len(), named.join(", ")),
        more => format!("in {} clusters: {} and {more} more", clusters.len(), named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(clusters: impl IntoIterator<Item = String>) -> Vec<(&'static str, String)> {
        let clusters = clusters.into_iter().map(Arc::from).collect();
        words(Outcomes::from([(("CreateInCluster", "Creating ConfigMap \"ns/n\"".to_owned()), clusters)]))
    }

    #[test]
    fn one_cluster_is_told_in_the_familiar_words_and_many_are_told_once() {
        assert_eq!(told(["a".to_owned()]), [("CreateInCluster", "Creating ConfigMap \"ns/n\" in cluster \"a\"".to_owned())]);
        let two = told(["b".to_owned(), "a".to_owned(), "b".to_owned()]);
        assert_eq!(two, [("CreateInCluster", "Creating ConfigMap \"ns/n\" in 2 clusters: \"a\", \"b\"".to_owned())]);
        let many = told((0..1000).map(|i| format!("c{i:03}")));
        assert!(many[0].1.ends_with("\"c019\" and 980 more") && many[0].1.contains("in 1000 clusters"), "{many:?}");
    }
}
