//! `fieldsV1`: the JSON notation of a set of paths.

use serde_json::{Map, Value};

use super::{
    element::Element,
    set::{FieldSet, Mark},
};

/// Reads the notation.
///
/// # Errors
/// A key is not a step of a path.
pub fn decode(fields: &Value) -> Result<FieldSet<'_>, String> {
    Ok(decode_mark(fields)?.below)
}

fn decode_mark(value: &Value) -> Result<Mark<'_>, String> {
    let mut mark = Mark::default();
    for (key, value) in value.as_object().into_iter().flatten() {
        if key == "." {
            mark.member = true;
        } else if let Some(element) = Element::parse(key)? {
            mark.below.push(element, decode_mark(value)?);
        }
    }
    mark.below.sort();
    mark.member |= mark.below.is_empty();
    Ok(mark)
}

/// Writes the notation.
pub fn encode(set: &FieldSet<'_>) -> Value {
    Value::Object(encode_level(set, Map::new()))
}

fn encode_level(set: &FieldSet<'_>, mut out: Map<String, Value>) -> Map<String, Value> {
    for entry in &set.entries {
        let mut inner = Map::new();
        if entry.mark.member && !entry.mark.below.is_empty() {
            inner.insert(".".to_owned(), Value::Object(Map::new()));
        }
        out.insert(entry.element.to_key(), Value::Object(encode_level(&entry.mark.below, inner)));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_is_written_again_minimal_and_sorted() {
        let fields = json!({
            "f:spec": {"f:containers": {"k:{\"name\":\"b\"}": {"f:image": {}, ".": {}}, "k:{\"name\":\"a\"}": {".": {}}}, "x:future": {}},
            "f:data": {}, "f:metadata": {"f:finalizers": {".": {}, "v:\"z\"": {}}},
        });
        let written = encode(&decode(&fields).unwrap());
        let expected = r#"{"f:data":{},"f:metadata":{"f:finalizers":{".":{},"v:\"z\"":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{},"k:{\"name\":\"b\"}":{".":{},"f:image":{}}}}}"#;
        assert_eq!(written.to_string(), expected);
    }

    #[test]
    fn a_broken_key_is_an_error() {
        assert!(decode(&json!({"spec": {}})).is_err());
    }
}
