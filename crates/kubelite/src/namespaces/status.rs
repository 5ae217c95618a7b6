//! The conditions of a namespace that is being deleted.

use comity_core::{Value, condition, json, object, time};
use jiff::Timestamp;

use super::sweep::Left;

/// All five conditions, always.
pub(super) fn wanted(namespace: &Value, left: &Left, now: Timestamp) -> Value {
    let mut status = namespace.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut conditions = object::items_at(&status, &["conditions"]).to_vec();
    let mut set = |kind: &str, bad: Option<String>, reason_bad: &str, reason_good: &str, good: &str| {
        let now = time::rfc3339(now);
        match bad {
            Some(message) => condition::set(&mut conditions, kind, "True", reason_bad, &message, &now),
            None => condition::set(&mut conditions, kind, "False", reason_good, good, &now),
        };
    };
    let failed = |list: &[String], text: &str| (!list.is_empty()).then(|| format!("{text}{}", list.join(", ")));
    let undiscovered = failed(&left.undiscovered, &format!("Discovery failed for some groups, {} failing: ", left.undiscovered.len()));
    set(
        "NamespaceDeletionDiscoveryFailure",
        undiscovered,
        "DiscoveryFailed",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    );
    let parsed = "All legacy kube types successfully parsed";
    set("NamespaceDeletionGroupVersionParsingFailure", None, "GroupVersionParsingFailed", "ParsedGroupVersions", parsed);
    let content = failed(&left.failures, &format!("Failed to delete all resource types, {} remaining: ", left.failures.len()));
    let deleted = "All content successfully deleted, may be waiting on finalization";
    set("NamespaceDeletionContentFailure", content, "ContentDeletionFailed", "ContentDeleted", deleted);
    let counts: Vec<String> = left.objects.iter().map(|(resource, count)| format!("{resource} has {count} resource instances")).collect();
    let remaining = failed(&counts, "Some resources are remaining: ");
    set("NamespaceContentRemaining", remaining, "SomeResourcesRemain", "ContentRemoved", "All content successfully removed");
    let counts: Vec<String> =
        left.finalizers.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
    let finalizers = failed(&counts, "Some content in the namespace has finalizers remaining: ");
    let finished = "All content-preserving finalizers finished";
    set("NamespaceFinalizersRemaining", finalizers, "SomeFinalizersRemain", "ContentHasNoFinalizers", finished);
    status["conditions"] = Value::Array(conditions);
    status["phase"] = "Terminating".into();
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(left: &Left, namespace: &Value) -> (Value, String) {
        let status = wanted(namespace, left, "2026-01-01T00:00:00Z".parse().unwrap());
        let line = |c: &Value| {
            format!(
                "{}={} {}: {}",
                c["type"].as_str().unwrap(),
                c["status"].as_str().unwrap(),
                c["reason"].as_str().unwrap(),
                c["message"].as_str().unwrap()
            )
        };
        let text = object::items_at(&status, &["conditions"]).iter().map(line).collect::<Vec<_>>().join("\n");
        (status, text)
    }

    #[test]
    fn five_conditions_tell_what_is_left_and_then_that_nothing_is() {
        let left = Left {
            objects: [("pods.".to_owned(), 2), ("deployments.apps".to_owned(), 1)].into(),
            finalizers: [("example.com/x".to_owned(), 3)].into(),
            failures: vec!["widgets.example.com: boom".to_owned()],
            undiscovered: vec!["metrics.k8s.io/v1beta1: down".to_owned()],
            pods_first: false,
        };
        let (status, text) = shown(&left, &json!({}));
        insta::assert_snapshot!(text, @r"
        NamespaceDeletionDiscoveryFailure=True DiscoveryFailed: Discovery failed for some groups, 1 failing: metrics.k8s.io/v1beta1: down
        NamespaceDeletionGroupVersionParsingFailure=False ParsedGroupVersions: All legacy kube types successfully parsed
        NamespaceDeletionContentFailure=True ContentDeletionFailed: Failed to delete all resource types, 1 remaining: widgets.example.com: boom
        NamespaceContentRemaining=True SomeResourcesRemain: Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances
        NamespaceFinalizersRemaining=True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/x in 3 resource instances
        ");
        let (_, text) = shown(&Left::default(), &json!({"status": status}));
        insta::assert_snapshot!(text, @r"
        NamespaceDeletionDiscoveryFailure=False ResourcesDiscovered: All resources successfully discovered
        NamespaceDeletionGroupVersionParsingFailure=False ParsedGroupVersions: All legacy kube types successfully parsed
        NamespaceDeletionContentFailure=False ContentDeleted: All content successfully deleted, may be waiting on finalization
        NamespaceContentRemaining=False ContentRemoved: All content successfully removed
        NamespaceFinalizersRemaining=False ContentHasNoFinalizers: All content-preserving finalizers finished
        ");
    }
}
