//! Claims and Ingresses that name no class get the one that is marked as default.

use async_trait::async_trait;
use comity_core::{Status, Value, object};

use super::{Admission, AdmissionContext};

/// The plugin.
pub struct DefaultClasses;

#[async_trait]
impl Admission for DefaultClasses {
    fn name(&self) -> &str {
        "DefaultStorageClass,DefaultIngressClass"
    }

    async fn admit(&self, context: &AdmissionContext<'_>, object: Option<&mut Value>, _old: Option<&Value>) -> Result<Vec<String>, Status> {
        let Some(object) = object else { return Ok(Vec::new()) };
        let (classes, mark, field) = if context.is_new("persistentvolumeclaims") {
            ("storage.k8s.io/storageclasses", "storageclass.kubernetes.io/is-default-class", "storageClassName")
        } else if context.is_new("networking.k8s.io/ingresses") && object::annotation(object, "kubernetes.io/ingress.class").is_none() {
            ("networking.k8s.io/ingressclasses", "ingressclass.kubernetes.io/is-default-class", "ingressClassName")
        } else {
            return Ok(Vec::new());
        };
        if object::at(object, &["spec", field]).is_some() {
            return Ok(Vec::new());
        }
        let mut marked: Vec<Value> = context.cx.store.list(classes, None).entries.iter().map(|e| e.object()).collect();
        marked.retain(|c| object::annotation(c, mark) == Some("true"));
        // The newest of several counts, and the name decides between equals.
        marked.sort_by_key(|c| {
            let created = object::str_at(c, &["metadata", "creationTimestamp"]).to_owned();
            (std::cmp::Reverse(created), object::name(c).to_owned())
        });
        if let Some(class) = marked.first() {
            object::set(object, &["spec", field], object::name(class).into());
        }
        Ok(Vec::new())
    }
}
