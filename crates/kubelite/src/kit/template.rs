//! Pod templates: their equality, their hash, and the pods made from them.

use comity_core::{Map, Value, json, object};

use super::hands::controller_reference;

/// The label that tells the pods of different templates apart.
pub(crate) const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// Whether two templates mean the same, whatever hash label they carry.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    comparable(a) == comparable(b)
}

/// A short hash of a template; a collision count makes another one.
pub(crate) fn hash(template: &Value, collisions: i64) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut bytes = Vec::new();
    write_sorted(&comparable(template), &mut bytes);
    bytes.extend(collisions.to_le_bytes());
    let fnv = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    fnv.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// A pod of a template: owned by `owner`, named by the server.
pub(crate) fn new_pod(owner: &Value, template: &Value) -> Value {
    let mut metadata = json!({"generateName": format!("{}-", object::name(owner)), "namespace": object::namespace(owner)});
    for key in ["labels", "annotations", "finalizers"] {
        if let Some(value) = object::at(template, &["metadata", key]).filter(|value| !value.is_null()) {
            metadata[key] = value.clone();
        }
    }
    metadata["ownerReferences"] = json!([controller_reference(owner)]);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// Without the hash label, nulls, and empty lists: nothing and empty mean the same.
fn comparable(template: &Value) -> Value {
    let mut template = without_empty(template);
    object::remove(&mut template, &["metadata", "labels", POD_TEMPLATE_HASH]);
    for key in ["labels", "annotations"] {
        if object::at(&template, &["metadata", key]).and_then(Value::as_object).is_some_and(Map::is_empty) {
            object::remove(&mut template, &["metadata", key]);
        }
    }
    template
}

fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, v)| !v.is_null() && v.as_array().is_none_or(|a| !a.is_empty()));
            Value::Object(kept.map(|(key, v)| (key.clone(), without_empty(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_empty).collect()),
        other => other.clone(),
    }
}

fn write_sorted(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                out.extend(key.as_bytes());
                out.push(b'{');
                write_sorted(&map[key], out);
                out.push(b'}');
            }
        }
        Value::Array(items) => {
            for item in items {
                write_sorted(item, out);
                out.push(b',');
            }
        }
        other => out.extend(other.to_string().bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_equal_whatever_their_hash_label_order_and_empty_fields() {
        let a =
            json!({"metadata": {"labels": {"app": "a"}, "creationTimestamp": null}, "spec": {"containers": [{"name": "c", "env": []}]}});
        let b = json!({"spec": {"containers": [{"name": "c"}]}, "metadata": {"labels": {"pod-template-hash": "x", "app": "a"}}});
        let c = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "d"}]}});
        assert!(equal(&a, &b) && !equal(&a, &c));
        assert_eq!(hash(&a, 0), hash(&b, 0));
        assert_ne!(hash(&a, 0), hash(&c, 0));
        assert_ne!(hash(&a, 0), hash(&a, 1));
        assert!(hash(&a, 0).bytes().all(|c| b"bcdfghjklmnpqrstvwxz2456789".contains(&c)));
    }
}
