//! What an object was before it was adopted, kept on the object itself, so that a release gives it back. Pure.

use comity_core::{Map, Value, confidential, json, labels, object};

/// Field manager of the record: it outlives every apply of the copy.
pub const RECORDER: &str = "comity-adoption";
/// Field manager of a release.
pub const RELEASER: &str = "comity-release";
/// Longer records are not kept: annotations of an object may have 256 KiB together.
const MOST: usize = 64 << 10;

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Before {
    /// There is none: the object was made by its owner, or adopted by an earlier version.
    Nothing,
    /// It was not recorded; the text says why.
    Withheld(String),
    /// The object as it was.
    Object(Value),
}

/// The record of an object that is about to be adopted.
pub fn record(live: &Value) -> String {
    let gvk = object::gvk(live);
    if confidential::is_confidential(&gvk.group, &gvk.kind) {
        return json!({"withheld": format!("what a {} holds is repeated nowhere", gvk.kind)}).to_string();
    }
    let mut before = live.clone();
    object::remove(&mut before, &["status"]);
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"] {
        object::remove(&mut before, &["metadata", field]);
    }
    if let Some(Value::Array(fields)) = object::remove(&mut before, &["metadata", "managedFields"]) {
        let main: Vec<Value> = fields.into_iter().filter(|entry| !is_of_subresource(entry)).collect();
        object::set(&mut before, &["metadata", "managedFields"], main.into());
    }
    let text = json!({"object": before}).to_string();
    if text.len() <= MOST { text } else { json!({"withheld": format!("it was {} bytes long", text.len())}).to_string() }
}

/// Reads the record of a copy.
pub fn before(live: &Value) -> Before {
    let Some(text) = object::annotation(live, labels::ADOPTED) else { return Before::Nothing };
    match serde_json::from_str::<Value>(text) {
        Ok(record) if record["object"].is_object() => Before::Object(record["object"].clone()),
        Ok(record) => Before::Withheld(object::str_at(&record, &["withheld"]).to_owned()),
        Err(error) => Before::Withheld(format!("the annotation {} cannot be read: {error}", labels::ADOPTED)),
    }
}

/// The object to put in the place of a copy: as it was (or as it is now), without marks, and not to be adopted again.
pub fn released(live: &Value, before: Option<&Value>) -> Value {
    let mut body = before.unwrap_or(live).clone();
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object::at(live, &["metadata", field]) {
            object::set(&mut body, &["metadata", field], value.clone());
        }
    }
    object::remove(&mut body, &["metadata", "managedFields"]);
    if let Some(status) = live.get("status") {
        body["status"] = status.clone();
    }
    for annotation in [labels::OWNER, labels::ADOPTED] {
        object::remove(&mut body, &["metadata", "annotations", annotation]);
    }
    object::remove(&mut body, &["metadata", "labels", labels::HUB]);
    object::set(&mut body, &["metadata", "labels", labels::KUBEFED_MANAGED], "false".into());
    body
}

/// The managed fields of a released object: as they were, with the label that keeps it from being adopted again.
pub fn released_fields(answer: &Value, before: &Value, now: &str) -> Option<Value> {
    let was = object::items_at(before, &["metadata", "managedFields"]);
    if was.is_empty() {
        return None;
    }
    let subresources = object::items_at(answer, &["metadata", "managedFields"]).iter().filter(|entry| is_of_subresource(entry));
    let mut label = Map::new();
    label.insert(format!("f:{}", labels::KUBEFED_MANAGED), json!({}));
    let own = json!({
        "manager": RELEASER, "operation": "Update", "apiVersion": object::str_at(answer, &["apiVersion"]), "time": now,
        "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": label}},
    });
    Some(was.iter().chain(subresources).cloned().chain([own]).collect::<Vec<_>>().into())
}

fn is_of_subresource(entry: &Value) -> bool {
    !object::str_at(entry, &["subresource"]).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "5",
            "labels": {"app": "a"}, "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {}}}]}, "data": {"k": "old"}})
    }

    #[test]
    fn a_released_object_is_what_it_was_and_is_not_adopted_again() {
        let mut copy = live();
        object::set(&mut copy, &["metadata", "annotations", labels::ADOPTED], record(&live()).into());
        object::set(&mut copy, &["metadata", "annotations", labels::OWNER], "{}".into());
        object::set(&mut copy, &["metadata", "labels", labels::HUB], "h".into());
        object::set(&mut copy, &["metadata", "labels", labels::KUBEFED_MANAGED], "true".into());
        copy["metadata"]["resourceVersion"] = "9".into();
        copy["data"]["k"] = "new".into();
        let Before::Object(before) = before(&copy) else { panic!("no record") };
        let back = released(&copy, Some(&before));
        assert_eq!(back["data"], live()["data"]);
        assert_eq!(back["metadata"]["labels"], json!({"app": "a", "kubefed.io/managed": "false"}));
        assert_eq!((object::uid(&back), object::resource_version(&back)), ("u", "9"), "nothing that came in between is lost");
        assert_eq!(object::annotation(&back, labels::OWNER), None);
        let fields = released_fields(&copy, &before, "T").unwrap();
        assert_eq!(fields[0], live()["metadata"]["managedFields"][0]);
        assert_eq!(fields[1]["fieldsV1"]["f:metadata"]["f:labels"], json!({"f:kubefed.io/managed": {}}));
        let kept = released(&copy, None);
        assert_eq!(kept["data"]["k"], "new", "without a record it stays what it is");
    }

    #[test]
    fn secrets_and_what_is_too_long_are_not_repeated() {
        let said = |object: &Value| {
            let mut copy = live();
            object::set(&mut copy, &["metadata", "annotations", labels::ADOPTED], record(object).into());
            before(&copy)
        };
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"p": "aHVudGVyMg=="}});
        assert!(!record(&secret).contains("aHVudGVyMg"));
        assert_eq!(said(&secret), Before::Withheld("what a Secret holds is repeated nowhere".to_owned()));
        let mut long = live();
        long["data"]["k"] = "x".repeat(MOST).into();
        assert!(matches!(said(&long), Before::Withheld(why) if why.contains("bytes long")));
        assert_eq!(before(&live()), Before::Nothing);
    }
}
