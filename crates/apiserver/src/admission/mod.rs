//! Admission: what happens to an object between its decoding and its storage.

use async_trait::async_trait;
use comity_core::{Status, Value};

use crate::{cx::Cx, registry::Resource, user::User};

/// What kind of change is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change, of the object or through a subresource.
    Update,
    /// A deletion.
    Delete,
    /// A connection such as exec.
    Connect,
}

/// The request that is being admitted.
pub struct AdmissionContext<'a> {
    /// The server, for look-ups.
    pub cx: &'a Cx,
    /// What kind of change.
    pub operation: Operation,
    /// The resource.
    pub resource: &'a Resource,
    /// Subresource, empty for the object itself.
    pub subresource: &'a str,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// Name; empty while a generated name is not known.
    pub name: &'a str,
    /// Who asks.
    pub user: &'a User,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// One admission plugin. Mutating and validating work happen in the order of the plugins.
#[async_trait]
pub trait Admission: Send + Sync {
    /// A name for messages and logs.
    fn name(&self) -> &str;

    /// Looks at (and may change) the new object; `object` is absent for deletions. Answers warnings for the client.
    ///
    /// # Errors
    /// The status with which the request is refused.
    async fn admit(&self, context: &AdmissionContext<'_>, object: Option<&mut Value>, old: Option<&Value>) -> Result<Vec<String>, Status>;
}
