//! Who may do what: RBAC over the stored Roles and bindings.
//!
//! Decisions are made on an [`Index`] of the four RBAC resources, built again when one of them has changed: a decision
//! itself reads no object. Members of `system:masters` may do everything.

mod aggregate;
pub mod aggregation;
mod escalation;
mod forbidden;
mod hooks;
mod index;
mod rbac;
mod rule;
#[cfg(test)]
mod tests;

use comity_core::Status;
use http::request::Parts;

pub use self::{
    escalation::{RoleWrite, check as check_escalation},
    forbidden::forbidden,
    hooks::Hooks,
    index::{Decision, Index},
    rbac::Rbac,
    rule::{Action, Rule},
};
use crate::{
    answer::Answer, authn::impersonate as acting, config::Config, cx::Cx, frame::path::RequestInfo, registry::Resource, request::Request,
    reviews, user::User,
};

/// The API group of RBAC.
pub const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// A request as authorization sees it.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Who asks.
    pub user: &'a User,
    /// Namespace, empty for none.
    pub namespace: &'a str,
    /// What is asked.
    pub action: Action<'a>,
}

impl<'a> Attributes<'a> {
    /// A request for a resource.
    pub fn resource(user: &'a User, verb: &'a str, group: &'a str, resource: &'a str, namespace: &'a str, name: &'a str) -> Self {
        Self { user, namespace, action: Action::Resource { verb, group, resource, subresource: "", name } }
    }

    /// The same with another verb.
    #[must_use]
    pub fn with_verb(mut self, other: &'a str) -> Self {
        match &mut self.action {
            Action::Resource { verb, .. } | Action::Path { verb, .. } => *verb = other,
        }
        self
    }

    /// The verb.
    pub fn verb(&self) -> &'a str {
        match self.action {
            Action::Resource { verb, .. } | Action::Path { verb, .. } => verb,
        }
    }
}

/// Something that decides about requests; an [`Index`] and an [`Rbac`] do.
pub trait Authorizer {
    /// Whether the request may go on, and why.
    fn authorize(&self, request: &Attributes<'_>) -> Decision;
}

impl Authorizer for Index {
    fn authorize(&self, request: &Attributes<'_>) -> Decision {
        if request.user.is_in(User::MASTERS) {
            return Decision { allowed: true, reason: String::new() };
        }
        self.decide(request.user, request.namespace, &request.action)
    }
}

/// State of authorization.
pub struct State {
    /// RBAC over the server's store.
    pub rbac: Rbac,
}

impl State {
    /// From the settings.
    pub fn new(config: &Config) -> Self {
        Self { rbac: Rbac::new(config.store.clone()) }
    }
}

/// What a request asks for, as authorization sees it.
pub fn attributes<'a>(user: &'a User, info: &'a RequestInfo) -> Attributes<'a> {
    let action = if info.is_resource {
        Action::Resource { verb: info.verb, group: &info.group, resource: &info.resource, subresource: &info.subresource, name: &info.name }
    } else {
        Action::Path { verb: info.verb, path: &info.path }
    };
    Attributes { user, namespace: &info.namespace, action }
}

/// The user that a request acts as: the sender, or whom it impersonates.
///
/// # Errors
/// 403 when the sender may not impersonate; 400 when the headers make no sense.
pub async fn impersonate(cx: &Cx, user: User, parts: &Parts, info: &RequestInfo) -> Result<User, Status> {
    match acting::wanted(&parts.headers)? {
        Some(wanted) => acting::impersonate(&*cx.authz.rbac.index(), &attributes(&user, info), &wanted),
        None => Ok(user),
    }
}

/// Whether a user may do what a request asks for.
///
/// # Errors
/// 403, with the text that clients know.
pub async fn authorize(cx: &Cx, user: &User, info: &RequestInfo) -> Result<(), Status> {
    if user.is_in(User::MASTERS) {
        return Ok(());
    }
    let request = attributes(user, info);
    let decision = cx.authz.rbac.authorize(&request);
    if decision.allowed { Ok(()) } else { Err(forbidden(&request, &decision.reason)) }
}

/// Whether a resource is a question to the server (reviews) and not a stored object.
pub fn is_review(resource: &Resource) -> bool {
    matches!(resource.info.group.as_str(), "authentication.k8s.io" | "authorization.k8s.io")
}

/// Answers a review.
///
/// # Errors
/// As the API states them.
pub async fn review(request: &Request, resource: &Resource) -> Result<Answer, Status> {
    reviews::serve(request, resource)
}
