//! Nobody hands out rights that they do not hold.
//!
//! Writing a role needs every right in it or the verb `escalate`; writing a binding needs every right of the role it
//! names or the verb `bind`.

use comity_core::{GroupResource, Status, Value, object};

use super::{
    Attributes, Authorizer, Index, RBAC_GROUP,
    rule::{Rule, missing, quoted},
};
use crate::user::User;

/// A write of one of the four RBAC kinds.
pub struct RoleWrite<'a> {
    /// Who writes.
    pub user: &'a User,
    /// Plural resource name, such as `clusterrolebindings`.
    pub resource: &'a str,
    /// Namespace, empty for cluster-wide kinds.
    pub namespace: &'a str,
    /// Name in the URL; empty on create.
    pub name: &'a str,
    /// What is to be stored.
    pub new: &'a Value,
    /// What is stored, on updates.
    pub old: Option<&'a Value>,
}

/// Refuses a write that would hand out more than the writer holds.
///
/// # Errors
/// 403 that lists the missing rules; 404 when a binding names a role that does not exist.
pub fn check(index: &Index, write: &RoleWrite<'_>) -> Result<(), Status> {
    if write.user.is_in(User::MASTERS) || write.old.is_some_and(|old| only_bookkeeping(write.new, old)) {
        return Ok(());
    }
    match write.resource {
        "roles" | "clusterroles" => check_role(index, write),
        "rolebindings" | "clusterrolebindings" => check_binding(index, write),
        _ => Ok(()),
    }
}

fn check_role(index: &Index, write: &RoleWrite<'_>) -> Result<(), Status> {
    let escalate = Attributes::resource(write.user, "escalate", RBAC_GROUP, write.resource, write.namespace, write.name);
    if index.authorize(&escalate).allowed {
        return Ok(());
    }
    confirm(index, write, &Rule::of_role(write.new))?;
    let aggregates = |role: &Value| !object::items_at(role, &["aggregationRule", "clusterRoleSelectors"]).is_empty();
    if write.resource == "clusterroles" && (aggregates(write.new) || write.old.is_some_and(aggregates)) {
        let star = || vec!["*".to_owned()];
        let everything = [
            Rule { verbs: star(), groups: star(), resources: star(), ..Rule::default() },
            Rule { verbs: star(), paths: star(), ..Rule::default() },
        ];
        if confirm(index, write, &everything).is_err() {
            return Err(refuse(write, "must have cluster-admin privileges to use the aggregationRule"));
        }
    }
    Ok(())
}

fn check_binding(index: &Index, write: &RoleWrite<'_>) -> Result<(), Status> {
    let text = |key| object::str_at(write.new, &["roleRef", key]);
    let (kind, name) = (text("kind"), text("name"));
    let resource = if kind == "Role" { "roles" } else { "clusterroles" };
    let bind = Attributes::resource(write.user, "bind", text("apiGroup"), resource, write.namespace, name);
    if matches!(kind, "Role" | "ClusterRole") && index.authorize(&bind).allowed {
        return Ok(());
    }
    match index.referenced(kind, name, write.namespace) {
        Ok(rules) => confirm(index, write, &rules),
        Err(_) if matches!(kind, "Role" | "ClusterRole") => {
            Err(Status::not_found(&GroupResource::new(RBAC_GROUP, &kind.to_lowercase()), name))
        }
        Err(problem) => Err(Status::internal(problem)),
    }
}

fn confirm(index: &Index, write: &RoleWrite<'_>, wanted: &[Rule]) -> Result<(), Status> {
    let (held, problems) = index.rules_of(write.user, write.namespace);
    let missing = missing(&held, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(Rule::describe).collect::<Vec<_>>().join("\n");
    let who = format!("user {:?} (groups={})", write.user.name, quoted(&write.user.groups));
    let mut text = format!("{who} is attempting to grant RBAC permissions not currently held:\n{list}");
    if !problems.is_empty() {
        text = format!("{text}; resolution errors: [{}]", problems.join(", "));
    }
    Err(refuse(write, &text))
}

fn refuse(write: &RoleWrite<'_>, why: &str) -> Status {
    Status::forbidden(&GroupResource::new(RBAC_GROUP, write.resource), object::name(write.new), why)
}

/// Whether only owner references, finalizers or managed fields differ: the garbage collector writes those.
fn only_bookkeeping(new: &Value, old: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        for key in ["ownerReferences", "finalizers", "managedFields", "resourceVersion"] {
            object::remove(&mut object, &["metadata", key]);
        }
        object
    };
    bare(new) == bare(old)
}
