//! Nothing new in namespaces that do not exist or are going away; some namespaces never go.

use async_trait::async_trait;
use comity_core::{GroupResource, Status, Value};
use comity_store::Key;

use super::{Admission, AdmissionContext, Operation};

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// The plugin.
pub struct NamespaceLifecycle;

#[async_trait]
impl Admission for NamespaceLifecycle {
    fn name(&self) -> &str {
        "NamespaceLifecycle"
    }

    async fn admit(
        &self,
        context: &AdmissionContext<'_>,
        _object: Option<&mut Value>,
        _old: Option<&Value>,
    ) -> Result<Vec<String>, Status> {
        if &*context.resource.storage == "namespaces" {
            if context.operation == Operation::Delete && IMMORTAL.contains(&context.name) {
                return Err(context.forbidden("this namespace may not be deleted"));
            }
            return Ok(Vec::new());
        }
        if context.operation != Operation::Create || context.namespace.is_empty() {
            return Ok(Vec::new());
        }
        let name = context.namespace;
        let Some(entry) = context.cx.store.get(&Key::new("namespaces", "", name)) else {
            return Err(Status::not_found(&GroupResource::new("", "namespaces"), name));
        };
        if entry.facts.field("status.phase") == Some("Terminating") {
            return Err(context
                .forbidden(&format!("unable to create new content in namespace {name} because it is being terminated"))
                .with_cause("NamespaceTerminating", &format!("namespace {name} is being terminated"), "metadata.namespace"));
        }
        Ok(Vec::new())
    }
}
