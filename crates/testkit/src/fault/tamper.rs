//! Changes to answers. Pure.

use bytes::Bytes;
use serde_json::Value;

/// The request asks for a watch.
pub(super) fn is_watch(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| part == "watch=true" || part == "watch=1"))
}

/// The whole answer is a list.
pub(super) fn as_list(body: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(body).ok()?;
    (value["kind"].as_str()?.ends_with("List") && value["items"].is_array()).then_some(value)
}

/// The list without any object.
pub(super) fn emptied(mut list: Value) -> Bytes {
    list["items"] = Value::Array(Vec::new());
    list.to_string().into()
}

/// The list without every second object.
pub(super) fn halved(mut list: Value) -> Bytes {
    if let Value::Array(items) = &mut list["items"] {
        let mut index = 0;
        items.retain(|_| {
            index += 1;
            index % 2 == 0
        });
    }
    list.to_string().into()
}

/// The first half.
pub(super) fn cut(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len() / 2)
}

/// Something in the middle is no JSON any more; the line stays a line.
pub(super) fn garbled(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    for byte in bytes.iter_mut().skip(middle).take(8).filter(|byte| **byte != b'\n') {
        *byte = 0xff;
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_lose_objects_and_stay_lists() {
        let list = as_list(br#"{"kind":"ConfigMapList","items":[{"a":1},{"a":2},{"a":3}]}"#).unwrap();
        assert_eq!(emptied(list.clone()), r#"{"kind":"ConfigMapList","items":[]}"#);
        assert_eq!(halved(list), r#"{"kind":"ConfigMapList","items":[{"a":2}]}"#);
        assert_eq!(as_list(br#"{"kind":"ConfigMap"}"#), None);
    }

    #[test]
    fn garbage_is_no_json_and_keeps_its_line() {
        let garbled = garbled(&Bytes::from_static(b"{\"type\":\"ADDED\"}\n"));
        assert!(serde_json::from_slice::<Value>(&garbled).is_err());
        assert_eq!(garbled.last(), Some(&b'\n'));
    }
}
