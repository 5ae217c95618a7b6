//! What others added to an object: fields and list items that they own and the copy's manager does not.
//!
//! What nobody owns (defaults, what an admission webhook put in while the copy was applied) is no addition.

use std::borrow::Cow;

use comity_core::{GroupVersionKind, Map, Value, digest::Digest, object};

use crate::adopted::RECORDER;

use super::{entries, of_subresource, step, unite};

/// One field or list item that somebody added.
#[derive(Clone, Debug)]
pub struct Addition<'a> {
    elements: Vec<&'a str>,
    manager: &'a str,
    value: Option<&'a Value>,
}

/// A place within a kind, as a path of names.
pub type Place = &'static [&'static str];

const CONTAINERS: [Place; 2] = [&["spec", "template", "spec", "containers"], &["spec", "template", "spec", "initContainers"]];
const CRON_CONTAINERS: [Place; 2] = [
    &["spec", "jobTemplate", "spec", "template", "spec", "containers"],
    &["spec", "jobTemplate", "spec", "template", "spec", "initContainers"],
];
const RULES: [Place; 2] = [&["rules"], &["aggregationRule"]];
const SUBJECTS: [Place; 1] = [&["subjects"]];
const SPEC: [Place; 1] = [&["spec"]];

/// Where nothing may stand but what was applied: an addition there gives rights, opens the network or runs programs.
pub fn exclusive_places(kind: &GroupVersionKind) -> &'static [Place] {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => &RULES,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => &SUBJECTS,
        ("networking.k8s.io", "NetworkPolicy") => &SPEC,
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") | ("", "ReplicationController") => {
            &CONTAINERS
        }
        ("batch", "CronJob") => &CRON_CONTAINERS,
        _ => &[],
    }
}

/// Everything that others added, outermost places only.
pub fn additions<'a>(live: &'a Value, manager: &str) -> Vec<Addition<'a>> {
    let mut found = Vec::new();
    let others: Vec<&Value> =
        entries(live).filter(|e| ![manager, RECORDER].contains(&object::str_at(e, &["manager"])) && !of_subresource(e)).collect();
    if others.is_empty() {
        return found;
    }
    let own = own_fields(live, manager);
    for entry in others {
        if let Some(fields) = entry.get("fieldsV1").and_then(Value::as_object) {
            walk(&mut found, &mut Vec::new(), object::str_at(entry, &["manager"]), fields, own.as_deref(), Some(live));
        }
    }
    found
}

/// The union of the manager's own sets.
fn own_fields<'a>(live: &'a Value, manager: &str) -> Option<Cow<'a, Map<String, Value>>> {
    let mut union: Option<Cow<'a, Map<String, Value>>> = None;
    for entry in entries(live).filter(|e| object::str_at(e, &["manager"]) == manager && !of_subresource(e)) {
        let Some(fields) = entry.get("fieldsV1").and_then(Value::as_object) else { continue };
        match &mut union {
            None => union = Some(Cow::Borrowed(fields)),
            Some(known) => unite(known.to_mut(), fields),
        }
    }
    union
}

fn walk<'a>(
    found: &mut Vec<Addition<'a>>,
    elements: &mut Vec<&'a str>,
    manager: &'a str,
    theirs: &'a Map<String, Value>,
    ours: Option<&Map<String, Value>>,
    live: Option<&'a Value>,
) {
    for (key, below) in theirs {
        if key == "." || (elements.is_empty() && key == "f:status") {
            continue;
        }
        if *elements == ["f:metadata"] && !matches!(key.as_str(), "f:labels" | "f:annotations" | "f:finalizers") {
            continue;
        }
        let own = ours.and_then(|ours| ours.get(key)).and_then(Value::as_object);
        let value = live.and_then(|live| step(live, key));
        elements.push(key);
        let below = below.as_object().filter(|below| below.keys().any(|k| k != "."));
        // labels and the like are named one by one, whether or not the copy has any of its own
        let container = matches!(elements.as_slice(), ["f:metadata"] | ["f:metadata", _] | ["f:spec"]);
        match (own, below) {
            (Some(own), Some(below)) if !own.is_empty() => walk(found, elements, manager, below, Some(own), value),
            // held by both as a whole
            (Some(_), _) => {}
            (None, Some(below)) if container => walk(found, elements, manager, below, None, value),
            (None, _) => found.push(Addition { elements: elements.clone(), manager, value }),
        }
        elements.pop();
    }
}

impl Addition<'_> {
    /// Whether it stands in one of these places, or holds one of them.
    pub fn is_in(&self, places: &[Place]) -> bool {
        places.iter().any(|place| place.iter().zip(&self.elements).all(|(name, element)| element.strip_prefix("f:") == Some(name)))
    }

    /// What Kubernetes' own machinery keeps on objects is not worth telling.
    fn is_machinery(&self) -> bool {
        let key = self.elements.last().map_or("", |last| last.split_once(':').map_or("", |(_, key)| key)).trim_matches('"');
        let domain = key.split_once('/').map_or("", |(domain, _)| domain);
        ["kubernetes.io", "k8s.io"]
            .iter()
            .any(|known| domain.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }

    /// The path as people write it.
    pub fn path(&self) -> String {
        super::compare::readable(&self.elements)
    }

    /// Who added it.
    pub fn manager(&self) -> &str {
        self.manager
    }

    pub(super) fn digest(&self, digest: &mut Digest) {
        self.elements.iter().for_each(|element| digest.text(element));
        if let Some(value) = self.value {
            digest.value(value);
        }
    }
}

/// So many additions are named.
const NAMED: usize = 3;

/// The additions in one short text, the field managers in brackets; `None` when there is nothing to tell.
pub fn summary(additions: &[Addition<'_>]) -> Option<Box<str>> {
    let mut told: Vec<String> = additions.iter().filter(|a| !a.is_machinery()).map(|a| format!("{} ({})", a.path(), a.manager)).collect();
    told.sort_unstable();
    told.dedup();
    let more = told.len().saturating_sub(NAMED);
    told.truncate(NAMED);
    let text = told.join(", ");
    match (told.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(text.into()),
        (false, more) => Some(format!("{text} and {more} more").into()),
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn deployment() -> Value {
        json!({
            "metadata": {"labels": {"app": "web", "team": "x"}, "annotations": {"deployment.kubernetes.io/revision": "1"}, "managedFields": [
                {"manager": "us", "operation": "Apply", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app": {}}},
                    "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}}},
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:team": {}}, "f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}},
                    "f:spec": {"f:minReadySeconds": {}, "f:template": {"f:spec": {"f:containers": {
                        "k:{\"name\":\"c\"}": {"f:tty": {}}, "k:{\"name\":\"side\"}": {".": {}, "f:image": {}}}}}}}},
                {"manager": "hpa", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            ]},
            "spec": {"minReadySeconds": 7, "replicas": 3, "template": {"spec": {"containers": [{"name": "c", "image": "i", "tty": true}, {"name": "side", "image": "s"}]}}},
        })
    }

    #[test]
    fn what_others_own_alone_is_an_addition() {
        let live = deployment();
        let found = additions(&live, "us");
        let paths: Vec<String> = found.iter().map(Addition::path).collect();
        assert_eq!(
            paths,
            [
                "metadata.labels.team",
                "metadata.annotations[deployment.kubernetes.io/revision]",
                "spec.minReadySeconds",
                "spec.template.spec.containers[name=c].tty",
                "spec.template.spec.containers[name=side]",
            ]
        );
        let kind = GroupVersionKind::new("apps", "v1", "Deployment");
        let exclusive: Vec<bool> = found.iter().map(|a| a.is_in(exclusive_places(&kind))).collect();
        assert_eq!(exclusive, [false, false, false, true, true]);
        assert_eq!(
            summary(&found).as_deref(),
            Some(
                "metadata.labels.team (kubectl-edit), spec.minReadySeconds (kubectl-edit), spec.template.spec.containers[name=c].tty (kubectl-edit) and 1 more"
            )
        );
    }

    #[test]
    fn a_place_that_the_copy_does_not_name_at_all_is_an_addition_as_a_whole() {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "us", "operation": "Apply", "fieldsV1": {"f:rules": {}}},
            {"manager": "x", "operation": "Update", "fieldsV1": {"f:aggregationRule": {"f:clusterRoleSelectors": {}}, "f:rules": {}}}]}});
        let found = additions(&live, "us");
        assert_eq!(found.iter().map(Addition::path).collect::<Vec<_>>(), ["aggregationRule"]);
        assert!(found[0].is_in(exclusive_places(&GroupVersionKind::new("rbac.authorization.k8s.io", "v1", "ClusterRole"))));
    }

    #[test]
    fn nothing_is_told_of_kubernetes_own_marks() {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "x", "operation": "Update", "fieldsV1": {"f:metadata": {
                "f:annotations": {"f:kubernetes.io/a": {}, "f:x.k8s.io/b": {}}, "f:finalizers": {"v:\"foregroundDeletion\"": {}, "v:\"service.kubernetes.io/c\"": {}}}}}]}});
        assert_eq!(summary(&additions(&live, "us")).as_deref(), Some("metadata.finalizers[foregroundDeletion] (x)"));
    }
}
