//! Kinds whose content is secret by their nature.

/// Whether what objects of this kind hold may be repeated nowhere: not in logs, events, plans, status or error messages.
pub fn is_confidential(group: &str, kind: &str) -> bool {
    group.is_empty() && kind == "Secret"
}
