//! From a value to text.

use serde_json::Value;

/// The value as one YAML document.
///
/// # Errors
/// The value cannot be written, which no JSON value should cause.
pub fn encode_yaml(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let value = serde_json::json!({"a": 1, "b": ["x", "1", "true", "", null], "c": {"d": "multi\nline\n", "e": 1.5, "f": {}}, "g": []});
        let text = encode_yaml(&value).unwrap();
        assert_eq!(crate::decode_yaml(text.as_bytes()).unwrap().value, value, "{text}");
    }
}
