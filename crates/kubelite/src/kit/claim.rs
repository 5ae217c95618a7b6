//! Which dependents belong to an owner: kept, adopted or released.

use std::sync::Arc;

use comity_core::{LabelSelector, Value, object};

/// What an owner has and should take or let go.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    /// Owned, and the selector matches.
    pub(crate) kept: Vec<Arc<Value>>,
    /// Nobody's, and the selector matches.
    pub(crate) adopt: Vec<Arc<Value>>,
    /// Owned, but the selector no longer matches.
    pub(crate) release: Vec<Arc<Value>>,
}

/// `owned` are controlled by the owner's uid; `orphans` by nobody. An owner that is going away neither takes nor lets go.
pub(crate) fn claim(owner: &Value, selector: &LabelSelector, owned: Vec<Arc<Value>>, orphans: Vec<Arc<Value>>) -> Claim {
    let leaving = object::is_deleting(owner);
    let matches = |candidate: &Value| selector.matches(object::labels(candidate));
    let mut claim = Claim::default();
    for dependent in owned {
        if matches(&dependent) {
            claim.kept.push(dependent);
        } else if !leaving {
            claim.release.push(dependent);
        }
    }
    if !leaving {
        claim.adopt = orphans.into_iter().filter(|orphan| !object::is_deleting(orphan) && matches(orphan)).collect();
    }
    claim
}

/// An owner's selector; `None` for one that selects everything or cannot be read, which must claim nothing.
pub(crate) fn selector(owner: &Value) -> Option<LabelSelector> {
    LabelSelector::from_object(object::at(owner, &["spec", "selector"])?).ok().filter(|selector| !selector.is_empty())
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn pod(name: &str, app: &str, deleting: bool) -> Arc<Value> {
        let mut pod = json!({"metadata": {"name": name, "labels": {"app": app}}});
        if deleting {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        Arc::new(pod)
    }

    fn names(pods: &[Arc<Value>]) -> Vec<&str> {
        pods.iter().map(|pod| object::name(pod)).collect()
    }

    #[test]
    fn matching_orphans_are_adopted_and_strangers_released_unless_somebody_is_going_away() {
        let mut owner = json!({"spec": {"selector": {"matchLabels": {"app": "a"}}}});
        let owned = || vec![pod("mine", "a", false), pod("stranger", "b", false), pod("leaving", "a", true)];
        let orphans = || vec![pod("orphan", "a", false), pod("other", "b", false), pod("gone", "a", true)];
        let selector = selector(&owner).unwrap();
        let got = claim(&owner, &selector, owned(), orphans());
        assert_eq!((names(&got.kept), names(&got.adopt), names(&got.release)), (vec!["mine", "leaving"], vec!["orphan"], vec!["stranger"]));
        owner["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let got = claim(&owner, &selector, owned(), orphans());
        assert_eq!((names(&got.kept), names(&got.adopt), names(&got.release)), (vec!["mine", "leaving"], vec![], vec![]));
    }

    #[test]
    fn an_empty_selector_claims_nothing() {
        assert!(selector(&json!({"spec": {"selector": {}}})).is_none());
        assert!(selector(&json!({"spec": {}})).is_none());
    }
}
