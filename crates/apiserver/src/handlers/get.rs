//! `get`: one object.

use comity_core::Status;
use comity_store::Key;

use super::{list, list_options, render};
use crate::{answer::Answer, registry::Resource, request::Request};

/// The key of the object that a request names.
pub fn key(request: &Request, resource: &Resource) -> Key {
    let namespace = if resource.info.namespaced { request.info.namespace.as_str() } else { "" };
    Key { resource: resource.storage.clone(), namespace: namespace.into(), name: request.info.name.as_str().into() }
}

/// Answers the object.
///
/// # Errors
/// 404, or 504 when the asked revision does not come.
pub async fn get(request: &Request, resource: &Resource) -> Result<Answer, Status> {
    if let Some(text) = request.query.text("resourceVersion") {
        let revision = list_options::revision(text).ok_or_else(|| list_options::not_a_revision(text))?;
        list::wait_for(&request.cx, revision).await?;
    }
    let entry =
        request.cx.store.get(&key(request, resource)).ok_or_else(|| Status::not_found(&resource.group_resource(), &request.info.name))?;
    render::entry(request, resource, 200, &entry)
}
