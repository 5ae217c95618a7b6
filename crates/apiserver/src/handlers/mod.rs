//! What the API's verbs do: one function per verb, for every kind.

pub mod body;
pub mod continue_token;
pub mod create;
pub mod delete;
pub mod delete_collection;
pub mod delete_options;
pub mod get;
pub mod list;
pub mod list_options;
pub mod metadata;
pub mod patch;
pub mod render;
pub mod select;
pub mod update;
pub mod watch;
pub mod write;
pub mod write_options;

use std::sync::Arc;

use comity_core::{Reason, Status};

use crate::{answer::Answer, authn, authz, registry::Resource, request::Request, subresources};

/// Finds the resource and calls the verb's function.
///
/// # Errors
/// The status that the client gets.
pub async fn dispatch(request: &Request) -> Result<Answer, Status> {
    let info = &request.info;
    let registry = request.cx.registry.current();
    let Some(resource) = registry.find(&info.group, &info.version, &info.resource) else {
        if registry.answers_for(&info.group, &info.version) {
            return Err(Status::no_such_resource());
        }
        return Ok(Answer::text(404, "404 page not found\n"));
    };
    if let Some(custom) = &resource.custom
        && let Some(text) = &custom.deprecation
    {
        request.warnings.add(text.clone());
    }
    if authz::is_review(resource) {
        return authz::review(request, resource).await;
    }
    if !info.subresource.is_empty() {
        return subresource(request, resource).await;
    }
    // A Binding is no stored object: pods/binding takes it.
    let elsewhere = &*resource.storage == "bindings";
    let nameless = info.name.is_empty() && matches!(info.verb, "update" | "patch");
    if !resource.serves(info.verb) || !fits_scope(request, resource) || nameless || elsewhere {
        return Err(not_allowed());
    }
    match info.verb {
        "get" => get::get(request, resource).await,
        "list" => list::list(request, resource).await,
        "watch" => watch::watch(request, resource).await,
        "create" => create::create(request, resource).await,
        "update" => update::update(request, resource).await,
        "patch" => patch::patch(request, resource).await,
        "delete" => delete::delete(request, resource).await,
        "deletecollection" => delete_collection::delete_collection(request, resource).await,
        _ => Err(not_allowed()),
    }
}

async fn subresource(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    let info = &request.info;
    let Some(subresource) = resource.info.subresource(&info.subresource) else { return Err(Status::no_such_resource()) };
    let served = subresource.verbs.iter().any(|v| v == info.verb);
    if !served || !fits_scope(request, resource) || info.name.is_empty() {
        return Err(not_allowed());
    }
    if (&*resource.storage, subresource.name.as_str()) == ("serviceaccounts", "token") {
        return authn::token_request(request, resource).await;
    }
    subresources::serve(request, resource).await
}

/// Single objects and new ones need a namespace exactly when their kind has one.
fn fits_scope(request: &Request, resource: &Resource) -> bool {
    let named = !request.info.namespace.is_empty();
    match (resource.info.namespaced, request.info.verb) {
        (_, "create") if !request.info.name.is_empty() && request.info.subresource.is_empty() => false,
        (true, "list" | "watch") => true,
        (true, _) => named,
        (false, _) => !named || &*resource.storage == "namespaces",
    }
}

fn not_allowed() -> Status {
    Status::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
}
