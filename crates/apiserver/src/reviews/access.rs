//! SelfSubjectAccessReview, SubjectAccessReview, LocalSubjectAccessReview: may somebody do something?

use std::collections::BTreeMap;

use comity_core::{FieldError, GroupKind, Status, Value, json, object};

use crate::{
    authz::{Action, Attributes, Authorizer},
    request::Request,
    user::User,
};

/// About the sender.
pub fn own(request: &Request, review: &mut Value) -> Result<(), Status> {
    check(review, Vec::new())?;
    decide(request, review, &request.user);
    Ok(())
}

/// About anybody; `namespace` limits the question to one.
pub fn of_others(request: &Request, review: &mut Value, namespace: Option<&str>) -> Result<(), Status> {
    let user = subject(review);
    let mut errors = Vec::new();
    if user.name.is_empty() && user.groups.is_empty() {
        errors.push(FieldError::invalid("spec.user", &json!(""), "at least one of user or group must be specified"));
    }
    if let Some(namespace) = namespace {
        if object::at(review, &["spec", "nonResourceAttributes"]).is_some() {
            errors.push(FieldError::invalid(
                "spec.nonResourceAttributes",
                &review["spec"]["nonResourceAttributes"],
                "disallowed on this kind of request",
            ));
        }
        let asked = object::str_at(review, &["spec", "resourceAttributes", "namespace"]);
        if asked != namespace {
            errors.push(FieldError::invalid("spec.resourceAttributes.namespace", &asked.into(), "must match metadata.namespace"));
        }
    }
    check(review, errors)?;
    decide(request, review, &user);
    Ok(())
}

fn check(review: &Value, mut errors: Vec<FieldError>) -> Result<(), Status> {
    let attributes = |key| object::at(review, &["spec", key]).filter(|v| v.is_object());
    match (attributes("resourceAttributes"), attributes("nonResourceAttributes")) {
        (Some(_), Some(path)) => {
            errors.insert(
                0,
                FieldError::invalid("spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes"),
            );
        }
        (None, None) => {
            let text = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.insert(0, FieldError::invalid("spec.resourceAttributes", &Value::Null, text));
        }
        _ => {}
    }
    if errors.is_empty() {
        return Ok(());
    }
    let kind = GroupKind { group: "authorization.k8s.io".to_owned(), kind: String::new() };
    Err(Status::invalid(&kind, "", &errors))
}

fn subject(review: &Value) -> User {
    let texts = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let extra: BTreeMap<String, Vec<String>> = object::at(review, &["spec", "extra"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, values)| (key.to_lowercase(), texts(values)))
        .collect();
    User {
        name: object::str_at(review, &["spec", "user"]).to_owned(),
        groups: texts(object::at(review, &["spec", "groups"]).unwrap_or(&Value::Null)),
        uid: object::str_at(review, &["spec", "uid"]).to_owned(),
        extra,
    }
}

fn decide(request: &Request, review: &mut Value, user: &User) {
    let spec = review["spec"].clone();
    let text = |group: &'static str, key: &'static str| object::str_at(&spec, &[group, key]);
    let resource = |key| text("resourceAttributes", key);
    let action = if spec.get("resourceAttributes").is_some_and(Value::is_object) {
        Action::Resource {
            verb: resource("verb"),
            group: resource("group"),
            resource: resource("resource"),
            subresource: resource("subresource"),
            name: resource("name"),
        }
    } else {
        Action::Path { verb: text("nonResourceAttributes", "verb"), path: text("nonResourceAttributes", "path") }
    };
    let decision = request.cx.authz.rbac.authorize(&Attributes { user, namespace: resource("namespace"), action });
    let mut status = json!({"allowed": decision.allowed});
    if !decision.reason.is_empty() {
        status["reason"] = decision.reason.into();
    }
    review["status"] = status;
}
