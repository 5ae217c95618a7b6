//! The status of a definition, computed from the definition and the others of its group.

use comity_core::{Value, condition, json, object};

use super::names::{Taken, accept};

/// The finalizer under which custom objects go before their definition.
pub const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Whether its objects are served.
pub fn is_established(definition: &Value) -> bool {
    condition::is_true(definition, "Established")
}

/// What the status should be; equal to the present one when nothing is to be written.
pub fn next(definition: &Value, others: &[Value], now: &str) -> Value {
    let accepted = accept(definition, &Taken::by(others));
    let mut conditions = object::items_at(definition, &["status", "conditions"]).to_vec();
    match &accepted.conflict {
        None => condition::set(&mut conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now),
        Some((reason, message)) => condition::set(&mut conditions, "NamesAccepted", "False", reason, message, now),
    };
    if !is_established(definition) {
        match accepted.conflict {
            None => {
                condition::set(&mut conditions, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted", now)
            }
            Some(_) => condition::set(&mut conditions, "Established", "False", "NotAccepted", "not all names are accepted", now),
        };
    }
    let mut stored = object::items_at(definition, &["status", "storedVersions"]).to_vec();
    if let Some(version) = storage_version(definition).filter(|v| !stored.iter().any(|s| s == v)) {
        stored.push(version.into());
    }
    json!({"conditions": conditions, "acceptedNames": accepted.names, "storedVersions": stored})
}

/// The status of a definition that is being written: what it was, plus a storage version that is new.
pub fn initial(definition: &Value, old: Option<&Value>) -> Value {
    let mut status = match old.and_then(|old| old.get("status")) {
        Some(status) => status.clone(),
        None => json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}),
    };
    if let (Some(version), Some(stored)) = (storage_version(definition), status["storedVersions"].as_array_mut())
        && !stored.iter().any(|s| s == version)
    {
        stored.push(version.into());
    }
    status
}

/// Fills in what a client may leave out.
pub fn default(definition: &mut Value) {
    let kind = object::str_at(definition, &["spec", "names", "kind"]).to_owned();
    let empty = |definition: &Value, path: &[&str]| object::str_at(definition, path).is_empty();
    if empty(definition, &["spec", "names", "singular"]) && !kind.is_empty() {
        object::set(definition, &["spec", "names", "singular"], kind.to_lowercase().into());
    }
    if empty(definition, &["spec", "names", "listKind"]) && !kind.is_empty() {
        object::set(definition, &["spec", "names", "listKind"], format!("{kind}List").into());
    }
    if object::at(definition, &["spec", "conversion"]).is_none_or(Value::is_null) {
        object::set(definition, &["spec", "conversion"], json!({"strategy": "None"}));
    }
}

/// The name of the version with `storage: true`.
pub fn storage_version(definition: &Value) -> Option<&str> {
    object::items_at(definition, &["spec", "versions"]).iter().find(|v| v["storage"] == true).and_then(|v| v["name"].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn definition(plural: &str) -> Value {
        json!({"metadata": {"name": format!("{plural}.example.com")}, "spec": {
            "group": "example.com",
            "names": {"plural": plural, "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1beta1", "served": true, "storage": false}, {"name": "v1", "served": true, "storage": true}],
        }})
    }

    fn written(mut definition: Value, others: &[Value]) -> Value {
        definition["status"] = next(&definition, others, NOW);
        definition
    }

    #[test]
    fn a_definition_without_rivals_is_established_at_once_and_then_rests() {
        let first = written(definition("widgets"), &[]);
        assert!(is_established(&first));
        assert_eq!(first["status"]["storedVersions"], json!(["v1"]));
        assert_eq!(next(&first, &[], "2027-01-01T00:00:00Z"), first["status"]);
    }

    #[test]
    fn a_rival_waits_until_the_names_are_free() {
        let first = written(definition("widgets"), &[]);
        let second = written(definition("gadgets"), std::slice::from_ref(&first));
        assert!(!is_established(&second));
        assert_eq!(condition::find(&second, "NamesAccepted").unwrap()["reason"], "ListKindConflict");
        assert_eq!(condition::find(&second, "Established").unwrap()["reason"], "NotAccepted");
        assert!(is_established(&written(second, &[])));
    }

    #[test]
    fn an_established_definition_stays_so_when_a_new_name_is_refused() {
        let other = written(definition("gadgets"), &[]);
        let mut own = definition("widgets");
        own["spec"]["names"] = json!({"plural": "widgets", "singular": "w", "kind": "W", "listKind": "WList"});
        let mut own = written(own, std::slice::from_ref(&other));
        own["spec"]["names"]["singular"] = "widget".into();
        let own = written(own, std::slice::from_ref(&other));
        assert!(is_established(&own));
        assert!(!condition::is_true(&own, "NamesAccepted"));
        assert_eq!(own["status"]["acceptedNames"]["singular"], "w");
    }

    #[test]
    fn stored_versions_only_grow() {
        let first = written(definition("widgets"), &[]);
        let mut changed = first.clone();
        changed["spec"]["versions"][1]["name"] = "v2".into();
        assert_eq!(initial(&changed, Some(&first))["storedVersions"], json!(["v1", "v2"]));
    }
}
