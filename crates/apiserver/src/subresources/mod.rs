//! Subresources: `status`, `scale`, and the few that only some kinds have.

mod binding;
mod connect;
mod eviction;
mod log;
mod scale;

use std::sync::Arc;

use comity_core::Status;

use crate::{
    answer::Answer,
    handlers::{get, patch, update},
    registry::Resource,
    request::Request,
};

/// Answers a request for a subresource that the kind has.
///
/// # Errors
/// As the API states them.
pub async fn serve(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    match (&*resource.storage, request.info.subresource.as_str()) {
        (_, "scale") => scale::serve(request, resource).await,
        ("pods", "binding") => binding::create(request, resource).await,
        ("pods", "eviction") => eviction::create(request, resource).await,
        ("pods", "log") => log::get(request, resource).await,
        ("pods" | "services" | "nodes", "exec" | "attach" | "portforward" | "proxy") => connect::serve(request, resource),
        _ => whole(request, resource).await,
    }
}

/// Subresources that show the whole object and write a part of it.
async fn whole(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    match request.info.verb {
        "get" => get::get(request, resource).await,
        "update" => update::update(request, resource).await,
        "patch" => patch::patch(request, resource).await,
        _ => Err(Status::no_such_resource()),
    }
}
