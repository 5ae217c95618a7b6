//! Whether an owner is deleted by itself or with something that it lives in: its namespace, or the definition of its kind.

use std::sync::Arc;

use comity_api_kubefed::keys::ALLOW_DELETIONS;
use comity_core::{GroupVersionResource, Value, object};
use comity_lane::Cache;
use comity_runtime::{Cascade, Cause, EventKind, Priority, executor::guard::id_of};

use crate::{domain::Federation, types::Running};

impl Federation {
    /// Why an object is being deleted.
    ///
    /// A cache may be behind the object's own event, so what it says is only believed where it says "deleted too".
    ///
    /// # Errors
    /// The hub did not answer: then nothing is known, and nothing is deleted.
    pub(crate) async fn deleted_by(&self, running: &Running, object: &Value) -> Result<Cause, String> {
        let namespace = object::namespace(object);
        if !namespace.is_empty() {
            let gvr = GroupVersionResource::new("", "v1", "namespaces");
            let above = self.above(&self.namespaces, &gvr, namespace).await?;
            if let Some(cause) = cascade(above.as_deref(), Cascade::NamespaceDeleted(namespace.to_owned())) {
                return Ok(cause);
            }
        }
        let name = running.kind.federated.qualified_name();
        let gvr = GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions");
        let above = self.above(&self.definitions, &gvr, &name).await?;
        Ok(cascade(above.as_deref(), Cascade::TypeDeleted(name)).unwrap_or(Cause::OwnerDeleted))
    }

    async fn above(&self, cache: &Cache, gvr: &GroupVersionResource, name: &str) -> Result<Option<Arc<Value>>, String> {
        if let Some(known) = cache.get("", name).filter(|known| object::is_deleting(known)) {
            return Ok(Some(known));
        }
        let found = self.hub.get(gvr, "", name).await;
        found.map(|found| found.map(Arc::new)).map_err(|e| format!("whether {} {name} is being deleted is not known: {e}", gvr.resource))
    }

    /// A namespace or definition on its way out changed: its word may have come.
    pub(crate) fn above_changed(&self, above: &Value) {
        if !object::is_deleting(above) {
            return;
        }
        let types: Vec<Arc<Running>> = self.types.read().values().cloned().collect();
        for running in types {
            if object::gvk(above).kind == "CustomResourceDefinition" {
                if running.kind.federated.qualified_name() == object::name(above) {
                    self.look_again_at(&running);
                }
                continue;
            }
            for owner in running.cache.list_namespace(object::name(above)) {
                self.queue.add(running.key(object::name(above), object::name(&owner)), Priority::User);
            }
        }
    }

    /// Says once, where it can be read, that the copies of a whole namespace or kind are held.
    pub(crate) fn tell_cascade(&self, running: &Running, from: &Cascade, id: &str) {
        if !self.told.lock().insert(id.to_owned()) {
            return;
        }
        let (above, name, resource) = match from {
            Cascade::NamespaceDeleted(name) => (self.namespaces.get("", name), name, "namespace"),
            Cascade::TypeDeleted(name) => (self.definitions.get("", name), name, "customresourcedefinition"),
        };
        let Some(above) = above else { return };
        let message = format!(
            "copies in member clusters are not deleted with it until you say so: kubectl annotate {resource} {name} --overwrite {ALLOW_DELETIONS}={id}"
        );
        running.executor.recorder.record(&above, EventKind::Warning, "DeletionsHeld", &message);
    }
}

/// The cause, if what an owner lives in is being deleted. What is not there any more cannot have let anything go.
fn cascade(above: Option<&Value>, from: Cascade) -> Option<Cause> {
    let (uid, allowance) = match above {
        Some(above) if !object::is_deleting(above) => return None,
        Some(above) => (object::uid(above), object::annotation(above, ALLOW_DELETIONS).unwrap_or_default()),
        None => ("", ""),
    };
    let (kind, name) = match &from {
        Cascade::NamespaceDeleted(name) => ("namespace", name),
        Cascade::TypeDeleted(name) => ("definition", name),
    };
    let id = id_of([kind, name, uid]);
    let allowed = !uid.is_empty() && allowance == id;
    Some(Cause::Cascade { from, id, allowed })
}

/// What has to be known of a definition.
pub(crate) fn only_metadata(definition: &mut Value) {
    object::remove(definition, &["metadata", "managedFields"]);
    for part in ["spec", "status"] {
        object::remove(definition, &[part]);
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn a_word_on_the_namespace_counts_for_that_deletion_of_that_namespace() {
        let namespace = |uid: &str, word: &str| json!({"metadata": {"name": "shop", "uid": uid, "deletionTimestamp": "t", "annotations": {ALLOW_DELETIONS: word}}});
        let decide = |above: &Value| cascade(Some(above), Cascade::NamespaceDeleted("shop".to_owned()));
        assert_eq!(decide(&json!({"metadata": {"name": "shop", "uid": "u"}})), None);
        let Some(Cause::Cascade { id, allowed: false, .. }) = decide(&namespace("u", "other")) else { panic!("not held") };
        assert!(matches!(decide(&namespace("u", &id)), Some(Cause::Cascade { allowed: true, .. })));
        assert!(matches!(decide(&namespace("v", &id)), Some(Cause::Cascade { allowed: false, .. })), "another namespace of that name");
        let gone = cascade(None, Cascade::NamespaceDeleted("shop".to_owned()));
        assert!(matches!(gone, Some(Cause::Cascade { allowed: false, .. })));
    }
}
