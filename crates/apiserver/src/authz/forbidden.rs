//! The answer to a request that is not allowed.

use comity_core::{GroupResource, Status};

use super::{Action, Attributes};

/// The 403 answer; `reason` is what the authorizer had to say, mostly nothing.
pub fn forbidden(request: &Attributes<'_>, reason: &str) -> Status {
    let user = &request.user.name;
    let (text, resource, name) = match request.action {
        Action::Path { verb, path } => (format!("User {user:?} cannot {verb} path {path:?}"), GroupResource::default(), ""),
        Action::Resource { verb, group, resource, subresource, name } => {
            let whole = if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
            let scope = match request.namespace {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace {namespace:?}"),
            };
            let text = format!("User {user:?} cannot {verb} resource {whole:?} in API group {group:?} {scope}");
            (text, GroupResource::new(group, resource), name)
        }
    };
    // Errors are shown by browsers too: nothing in them may look like HTML.
    let mut text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if !reason.is_empty() {
        text = format!("{text}: {reason}");
    }
    Status::forbidden(&resource, name, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::User;

    fn bob() -> User {
        User { name: "bob".to_owned(), ..User::default() }
    }

    #[test]
    fn texts_are_those_that_tools_parse() {
        let user = bob();
        let list = Attributes::resource(&user, "list", "", "pods", "", "");
        assert_eq!(
            forbidden(&list, "").message,
            r#"pods is forbidden: User "bob" cannot list resource "pods" in API group "" at the cluster scope"#
        );
        let log = Action::Resource { verb: "get", group: "", resource: "pods", subresource: "log", name: "foo" };
        let log = Attributes { user: &user, namespace: "x", action: log };
        assert_eq!(
            forbidden(&log, "").message,
            r#"pods "foo" is forbidden: User "bob" cannot get resource "pods/log" in API group "" in the namespace "x""#
        );
        let path = Attributes { user: &user, namespace: "", action: Action::Path { verb: "get", path: "/<b>" } };
        assert_eq!(forbidden(&path, "RBAC: broken").message, r#"forbidden: User "bob" cannot get path "/&lt;b&gt;": RBAC: broken"#);
    }
}
