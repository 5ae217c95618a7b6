//! Objects as YAML.

use comity_core::Value;

/// An object as a YAML document, keys in their order, ending with a newline.
pub fn yaml(value: &Value) -> String {
    let mut text = serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use comity_core::{decode_yaml, json};

    use super::*;

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let value = json!({"a": {"b": [1, "1", true, null, "yes", ""]}, "path": "/spec/replicas", "empty": {}, "list": []});
        assert_eq!(decode_yaml(yaml(&value).as_bytes()).unwrap().value, value);
    }
}
