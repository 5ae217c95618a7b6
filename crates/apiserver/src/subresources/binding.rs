//! `pods/binding`: the scheduler puts a pod on a node.

use std::sync::Arc;

use comity_core::{GroupVersionKind, Map, Status, Value, json, object};

use crate::{
    answer::Answer,
    handlers::{
        body::{self, Expected},
        render,
        write::Write,
        write_options::WriteOptions,
    },
    registry::Resource,
    request::Request,
};

/// Sets the pod's node, once.
///
/// # Errors
/// 409 when the pod has a node or is being deleted.
pub async fn create(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    let options = WriteOptions::parse(request, "CreateOptions", false)?;
    let expected = Expected { kind: GroupVersionKind::new("", "v1", "Binding"), schema: None, custom: false };
    let binding = body::decode(request, &expected, options.validation)?;
    let node = object::str_at(&binding, &["target", "name"]).to_owned();
    if node.is_empty() {
        let error = comity_core::FieldError::required("target.name", "");
        let kind = comity_core::GroupKind { group: String::new(), kind: "Binding".into() };
        return Err(Status::invalid(&kind, &request.info.name, &[error]));
    }
    let write = Write::new(request, resource, options);
    let name = &request.info.name;
    let conflict = |why: String| Status::conflict(&comity_core::GroupResource::new("", "pods/binding"), name, &why);
    let now = request.cx.now_text();
    let change = |live: Option<&Value>| {
        let Some(live) = live else { return Ok(None) };
        if object::is_deleting(live) {
            return Err(conflict(format!("pod {name} is being deleted, cannot be assigned to a host")));
        }
        let at = object::str_at(live, &["spec", "nodeName"]);
        if !at.is_empty() {
            return Err(conflict(format!("pod {name} is already assigned to node {at:?}")));
        }
        let mut pod = live.clone();
        object::set(&mut pod, &["spec", "nodeName"], node.as_str().into());
        for part in ["annotations", "labels"] {
            let added = object::at(&binding, &["metadata", part]).and_then(Value::as_object).cloned().unwrap_or_default();
            for (key, value) in added {
                object::set(&mut pod, &["metadata", part, &key], value);
            }
        }
        let mut conditions = object::items_at(&pod, &["status", "conditions"]).to_vec();
        comity_core::condition::set(&mut conditions, "PodScheduled", "True", "", "", &now);
        object::set(&mut pod, &["status", "conditions"], Value::Array(conditions));
        Ok(Some(pod))
    };
    write.update(name, false, change).await?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": Map::new(), "status": "Success", "code": 201});
    render::other(request, 201, &status)
}
