//! Authorization: who may do what.

use comity_core::{GroupResource, Status};
use http::request::Parts;

use crate::{answer::Answer, config::Config, cx::Cx, frame::path::RequestInfo, registry::Resource, request::Request, user::User};

/// State of authorization.
pub struct State;

impl State {
    /// From the settings.
    pub fn new(_config: &Config) -> Self {
        Self
    }
}

/// The user that a request acts as: the sender, or whom it impersonates.
///
/// # Errors
/// 403 when the sender may not impersonate.
pub async fn impersonate(_cx: &Cx, user: User, _parts: &Parts) -> Result<User, Status> {
    Ok(user)
}

/// Whether a user may do what a request asks for.
///
/// # Errors
/// 403, with the text that clients know.
pub async fn authorize(_cx: &Cx, user: &User, info: &RequestInfo) -> Result<(), Status> {
    if user.is_in(User::MASTERS) || !info.is_resource {
        return Ok(());
    }
    let resource = GroupResource::new(&info.group, &info.resource);
    let mut why = format!("User {:?} cannot {} resource {:?} in API group {:?}", user.name, info.verb, info.resource, info.group);
    why.push_str(&if info.namespace.is_empty() {
        " at the cluster scope".to_owned()
    } else {
        format!(" in the namespace {:?}", info.namespace)
    });
    Err(Status::forbidden(&resource, &info.name, &why))
}

/// Whether a resource is a question to the server (reviews) and not a stored object.
pub fn is_review(resource: &Resource) -> bool {
    matches!(resource.info.group.as_str(), "authentication.k8s.io" | "authorization.k8s.io")
}

/// Answers a review.
///
/// # Errors
/// As the API states them.
pub async fn review(_request: &Request, _resource: &Resource) -> Result<Answer, Status> {
    Err(Status::no_such_resource())
}
