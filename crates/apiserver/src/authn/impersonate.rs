//! Acting as somebody else: `Impersonate-*` headers.
//!
//! The constrained verbs (`impersonate-on:<mode>:<verb>` together with `impersonate:<mode>`) are tried first, then the
//! plain verb `impersonate`; a refusal tells about the first one tried. The mode for a node's own agent is not offered.

use std::collections::BTreeMap;

use comity_core::{Reason, Status, names};
use http::HeaderMap;

use super::service_account;
use crate::{
    authz::{Action, Attributes, Authorizer, forbidden},
    frame::query::percent_decode,
    user::User,
};

const AUTHENTICATION: &str = "authentication.k8s.io";
const EXTRA: &str = "impersonate-extra-";

/// Who the headers ask to be, if anybody.
///
/// # Errors
/// 400 when groups, uid or extra are asked for without a user name.
pub fn wanted(headers: &HeaderMap) -> Result<Option<User>, Status> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = |name: &str| headers.get(name).map(text).unwrap_or_default();
    let mut user = User { name: first("impersonate-user"), uid: first("impersonate-uid"), ..User::default() };
    user.groups = headers.get_all("impersonate-group").iter().map(text).collect();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            user.extra.entry(percent_decode(key, false)).or_default().push(text(value));
        }
    }
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if user == User::default() {
        return Ok(None);
    }
    Err(Status::new(Reason::BadRequest, format!("requested {} without impersonating a user name", go_syntax(&user))))
}

/// The user to act as, when `request` (of the real user) may act so.
///
/// # Errors
/// 403 of the first check that failed.
pub fn impersonate(authorizer: &dyn Authorizer, request: &Attributes<'_>, wanted: &User) -> Result<User, Status> {
    let mut first_refusal = None;
    for mode in modes(wanted) {
        match check(authorizer, request, wanted, mode) {
            Ok(user) => return Ok(user),
            Err(status) => drop(first_refusal.get_or_insert(status)),
        }
    }
    Err(first_refusal.unwrap_or_else(|| Status::internal("all impersonation modes failed")))
}

/// The constrained modes that fit the wanted user, then none: the plain verb.
fn modes(wanted: &User) -> Vec<Option<&'static str>> {
    let plain = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
    let mode = if node_name(&wanted.name).is_some() {
        plain.then_some("arbitrary-node")
    } else if service_account::split_user(&wanted.name).is_some() {
        plain.then_some("serviceaccount")
    } else {
        Some("user-info")
    };
    mode.map(Some).into_iter().chain([None]).collect()
}

fn check(authorizer: &dyn Authorizer, request: &Attributes<'_>, wanted: &User, mode: Option<&str>) -> Result<User, Status> {
    let allowed = |attributes: Attributes<'_>| {
        let decision = authorizer.authorize(&attributes);
        if decision.allowed { Ok(()) } else { Err(forbidden(&attributes, &decision.reason)) }
    };
    if let Some(mode) = mode {
        allowed(request.with_verb(&format!("impersonate-on:{mode}:{}", request.verb())))?;
    }
    let verb = mode.map_or_else(|| "impersonate".to_owned(), |mode| format!("impersonate:{mode}"));
    let group = if mode.is_some() { AUTHENTICATION } else { "" };
    let ask = |group, resource, namespace, name| Attributes::resource(request.user, &verb, group, resource, namespace, name);
    let mut user = wanted.clone();

    if let Some((namespace, name)) = service_account::split_user(&wanted.name) {
        if wanted.groups.is_empty() {
            user.groups = service_account::groups(namespace);
        }
        allowed(ask(group, "serviceaccounts", namespace, name))?;
    } else if let Some(node) = node_name(&wanted.name).filter(|_| mode.is_some()) {
        user.groups = vec!["system:nodes".to_owned()];
        allowed(ask(group, "nodes", "", node))?;
    } else {
        allowed(ask(group, "users", "", &wanted.name))?;
    }
    if !wanted.uid.is_empty() {
        allowed(ask(AUTHENTICATION, "uids", "", &wanted.uid))?;
    }
    for name in &wanted.groups {
        if mode.is_some() && name.is_empty() {
            return Err(forbidden(&ask(group, "groups", "", ""), "impersonating the empty string group is not allowed"));
        }
        if mode.is_some() && name == User::MASTERS {
            return Err(forbidden(&ask(group, "groups", "", User::MASTERS), "impersonating the system:masters group is not allowed"));
        }
        allowed(ask(group, "groups", "", name))?;
    }
    for (key, values) in &wanted.extra {
        for name in values {
            let action = Action::Resource { verb: &verb, group: AUTHENTICATION, resource: "userextras", subresource: key, name };
            allowed(Attributes { user: request.user, namespace: "", action })?;
        }
    }

    let own = if wanted.name == User::ANONYMOUS { User::UNAUTHENTICATED } else { User::AUTHENTICATED };
    if !user.groups.iter().any(|g| g == own || g == User::UNAUTHENTICATED) {
        user.groups.push(own.to_owned());
    }
    Ok(user)
}

fn node_name(user: &str) -> Option<&str> {
    user.strip_prefix("system:node:").filter(|name| names::dns1123_subdomain(name).is_empty())
}

/// The user as the message of the real server prints it.
fn go_syntax(user: &User) -> String {
    let list = |values: &[String]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(", ");
    let groups = if user.groups.is_empty() { "[]string(nil)".to_owned() } else { format!("[]string{{{}}}", list(&user.groups)) };
    let entries = |extra: &BTreeMap<String, Vec<String>>| {
        extra.iter().map(|(k, v)| format!("{k:?}:[]string{{{}}}", list(v))).collect::<Vec<_>>().join(", ")
    };
    let extra = if user.extra.is_empty() {
        "map[string][]string(nil)".to_owned()
    } else {
        format!("map[string][]string{{{}}}", entries(&user.extra))
    };
    format!("&user.DefaultInfo{{Name:{:?}, UID:{:?}, Groups:{groups}, Extra:{extra}}}", user.name, user.uid)
}
