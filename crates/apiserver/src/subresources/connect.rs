//! `exec`, `attach`, `portforward` and `proxy`: connections to running pods.

use comity_core::{Status, object};

use crate::{answer::Answer, handlers::get, registry::Resource, request::Request};

/// Pods here have no processes; says so.
///
/// # Errors
/// Always: 404 for an object that is not there, else 400.
pub fn serve(request: &Request, resource: &Resource) -> Result<Answer, Status> {
    let name = &request.info.name;
    let entry = request.cx.store.get(&get::key(request, resource)).ok_or_else(|| Status::not_found(&resource.group_resource(), name))?;
    let verb = &request.info.subresource;
    if &*resource.storage == "pods" {
        let pod = entry.object();
        if object::str_at(&pod, &["spec", "nodeName"]).is_empty() {
            return Err(Status::bad_request(format!("pod {name} does not have a host assigned")));
        }
        return Err(Status::bad_request(format!("pod {name:?} is simulated: {verb} is not available")));
    }
    Err(Status::bad_request(format!("{} {name:?} is simulated: {verb} is not available", resource.info.singular)))
}
