//! Admission: what happens to an object between its decoding and its storage.

mod classes;
mod namespace_lifecycle;
mod priority;
mod service_account;
mod tolerations;

use std::sync::Arc;

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

/// The plugins that every server has, in their order.
pub fn builtin() -> Vec<Arc<dyn Admission>> {
    vec![
        Arc::new(namespace_lifecycle::NamespaceLifecycle),
        Arc::new(service_account::ServiceAccount),
        Arc::new(tolerations::DefaultTolerationSeconds),
        Arc::new(priority::Priority),
        Arc::new(classes::DefaultClasses),
    ]
}

impl AdmissionContext<'_> {
    /// Whether a new pod is being made.
    fn is_new_pod(&self) -> bool {
        self.operation == Operation::Create && self.subresource.is_empty() && &*self.resource.storage == "pods"
    }

    /// Whether a new object of a resource is being made.
    fn is_new(&self, storage: &str) -> bool {
        self.operation == Operation::Create && self.subresource.is_empty() && &*self.resource.storage == storage
    }

    /// 403 for the object that is being admitted.
    fn forbidden(&self, why: &str) -> Status {
        Status::forbidden(&self.resource.group_resource(), self.name, why)
    }
}
