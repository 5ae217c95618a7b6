//! How simulated things are told from real ones.

use comity_core::{Value, object};

/// Label of simulated nodes and annotation of their pods.
pub(crate) const SIMULATED: &str = "comity.dev/simulated";
/// Annotation that asks for a failure.
pub(crate) const SIMULATE: &str = "comity.dev/simulate";

/// Whether a node is simulated, and therefore ours to serve.
pub(crate) fn is_ours(node: &Value) -> bool {
    object::label(node, SIMULATED) == Some("true")
}

/// Whether a node is to look lost.
pub(crate) fn is_unreachable(node: &Value) -> bool {
    object::annotation(node, SIMULATE) == Some("Unreachable")
}
