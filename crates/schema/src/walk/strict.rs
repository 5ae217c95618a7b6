//! The texts about unknown and repeated fields.

/// The message of a strict decoding failure, or `None` when there is nothing to complain about.
///
/// `unknown` comes from [`crate::Schema::prune`], `duplicates` from decoding.
pub fn strict_error(unknown: &[String], duplicates: &[String]) -> Option<String> {
    let parts = strict_parts(unknown, duplicates);
    (!parts.is_empty()).then(|| format!("strict decoding error: {}", parts.join(", ")))
}

/// One text per field, `duplicate field "spec.y"` before `unknown field "spec.x"`: the warnings of a client that asked for warnings.
pub fn strict_parts(unknown: &[String], duplicates: &[String]) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for (word, paths) in [("duplicate", duplicates), ("unknown", unknown)] {
        for path in paths {
            let text = format!("{word} field \"{path}\"");
            if !parts.contains(&text) {
                parts.push(text);
            }
        }
    }
    parts
}
