//! What the API's verbs do: one function per verb, for every kind.

use comity_core::{Reason, Status};

use crate::{answer::Answer, authn, authz, request::Request};

/// Finds the resource and calls the verb's function.
///
/// # Errors
/// The status that the client gets.
pub async fn dispatch(request: &Request) -> Result<Answer, Status> {
    let info = &request.info;
    let registry = request.cx.registry.current();
    let resource = registry.find(&info.group, &info.version, &info.resource).ok_or_else(Status::no_such_resource)?;
    if (resource.info.group.as_str(), resource.info.plural.as_str(), info.subresource.as_str()) == ("", "serviceaccounts", "token") {
        return authn::token_request(request, resource).await;
    }
    if authz::is_review(resource) {
        return authz::review(request, resource).await;
    }
    Err(Status::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource"))
}
