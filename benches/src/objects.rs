//! Objects to measure with.

use comity_core::{Value, json};

/// A ConfigMap of about this many bytes.
pub fn config_map(namespace: &str, name: &str, size: usize) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": "01234567-89ab-cdef-0123-456789abcdef",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "bench", "tier": name.len().to_string()}
        },
        "data": {"text": ""}
    });
    let rest = size.saturating_sub(object.to_string().len());
    comity_core::object::set(&mut object, &["data", "text"], Value::String("x".repeat(rest)));
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_wanted_size() {
        assert_eq!(config_map("default", "a", 2048).to_string().len(), 2048);
    }
}
