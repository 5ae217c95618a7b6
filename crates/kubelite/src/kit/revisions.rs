//! ControllerRevisions: the templates that a StatefulSet or DaemonSet has had.

use std::{collections::BTreeSet, sync::Arc};

use comity_core::{Value, json, object};

use super::{hands::controller_reference, template};

/// Label of pods and revisions.
pub(crate) const HASH: &str = "controller-revision-hash";

/// The revision of the present template.
#[derive(Debug)]
pub(crate) struct Present {
    /// Its name: the owner's with the hash.
    pub(crate) name: String,
    pub(crate) hash: String,
    /// It does not exist yet.
    pub(crate) create: Option<Value>,
    /// It exists, but another one is newer: this becomes its number.
    pub(crate) renumber: Option<(Arc<Value>, i64)>,
}

/// Finds the revision of an owner's template.
pub(crate) fn present(owner: &Value, revisions: &[Arc<Value>]) -> Present {
    let wanted = &owner["spec"]["template"];
    let newest = revisions.iter().map(|revision| number(revision)).max().unwrap_or(0);
    if let Some(found) = revisions.iter().filter(|revision| template::equal(&template_of(revision), wanted)).max_by_key(|r| number(r)) {
        let renumber = (number(found) < newest).then(|| (found.clone(), newest + 1));
        let hash = object::label(found, HASH).map_or_else(|| hash_in(owner, found), str::to_owned);
        return Present { name: object::name(found).to_owned(), hash, create: None, renumber };
    }
    let collisions = object::int_at(owner, &["status", "collisionCount"]).unwrap_or(0);
    let hash = template::hash(wanted, collisions);
    let name = format!("{}-{hash}", object::name(owner));
    let mut labels = object::at(wanted, &["metadata", "labels"]).cloned().unwrap_or_else(|| json!({}));
    labels[HASH] = hash.as_str().into();
    let mut data = wanted.clone();
    data["$patch"] = "replace".into();
    let create = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {"name": name, "namespace": object::namespace(owner), "labels": labels, "ownerReferences": [controller_reference(owner)]},
        "data": {"spec": {"template": data}}, "revision": newest + 1,
    });
    Present { name, hash, create: Some(create), renumber: None }
}

fn hash_in(owner: &Value, revision: &Value) -> String {
    let name = object::name(revision);
    name.strip_prefix(object::name(owner)).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name).to_owned()
}

fn number(revision: &Value) -> i64 {
    object::int_at(revision, &["revision"]).unwrap_or(0)
}

/// The template that a revision keeps.
pub(crate) fn template_of(revision: &Value) -> Value {
    let mut template = object::at(revision, &["data", "spec", "template"]).cloned().unwrap_or_default();
    object::remove(&mut template, &["$patch"]);
    template
}

/// Revisions that nobody needs, beyond the newest few that are kept.
pub(crate) fn surplus(owner: &Value, revisions: &[Arc<Value>], live: &BTreeSet<String>) -> Vec<Arc<Value>> {
    let limit = object::int_at(owner, &["spec", "revisionHistoryLimit"]).unwrap_or(10);
    let mut old: Vec<_> = revisions.iter().filter(|revision| !live.contains(object::name(revision))).cloned().collect();
    old.sort_by_key(|revision| number(revision));
    old.truncate(old.len().saturating_sub(usize::try_from(limit).unwrap_or(0)));
    old
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(image: &str) -> Value {
        json!({"metadata": {"name": "web", "namespace": "d"}, "spec": {"revisionHistoryLimit": 1, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"image": image}]}}}})
    }

    #[test]
    fn a_new_template_is_the_next_revision_and_an_old_one_is_numbered_anew() {
        let first = present(&owner("v1"), &[]);
        let one = Arc::new(first.create.unwrap());
        assert_eq!((one["revision"].as_i64(), object::label(&one, HASH)), (Some(1), Some(first.hash.as_str())));
        assert_eq!(first.name, format!("web-{}", first.hash));
        let second = present(&owner("v2"), std::slice::from_ref(&one));
        let two = Arc::new(second.create.unwrap());
        assert_eq!(two["revision"], 2);
        let again = present(&owner("v2"), &[one.clone(), two.clone()]);
        assert!(again.create.is_none() && again.renumber.is_none() && again.name == second.name);
        let back = present(&owner("v1"), &[one.clone(), two.clone()]);
        assert_eq!(back.renumber.map(|(revision, number)| (object::name(&revision).to_owned(), number)), Some((first.name.clone(), 3)));
        assert!(template::equal(&template_of(&one), &owner("v1")["spec"]["template"]));
        assert_eq!(surplus(&owner("v2"), &[one, two], &BTreeSet::from([second.name])).len(), 0);
    }
}
