//! `serviceaccounts/<name>/token`: a token with an end, on demand.

use comity_core::{FieldError, GroupKind, GroupResource, GroupVersionKind, Reason, Status, Value, json, object};
use jiff::SignedDuration;

use super::io;
use crate::{
    answer::Answer,
    authn::service_account::{self, Bound},
    request::Request,
};

const GROUP: &str = "authentication.k8s.io";
const LEAST_SECONDS: i64 = 600;
/// 2³²: what the API allows at most.
const MOST_SECONDS: i64 = 1 << 32;

/// Issues the token.
///
/// # Errors
/// 404 without the service account or the object to bind to, 409 for another uid, 422 for a duration out of bounds.
pub fn serve(request: &Request) -> Result<Answer, Status> {
    if request.info.verb != "create" {
        return Err(Status::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource"));
    }
    let mut review = io::read(request, &GroupVersionKind::new(GROUP, "v1", "TokenRequest"))?;
    let (namespace, name) = (request.info.namespace.clone(), request.info.name.clone());
    let kind = GroupKind { group: GROUP.to_owned(), kind: "TokenRequest".to_owned() };
    let sent_name = object::name(&review);
    if !sent_name.is_empty() && sent_name != name {
        let error = FieldError::invalid("metadata.name", &sent_name.into(), "must match the service account name if specified");
        return Err(Status::invalid(&kind, &name, &[error]));
    }
    let account = request.cx.authn.stored(&request.cx, "serviceaccounts", &namespace, &name);
    let account = account.ok_or_else(|| Status::not_found(&GroupResource::new("", "serviceaccounts"), &name))?;
    let sent_uid = object::uid(&review);
    if !sent_uid.is_empty() && sent_uid != object::uid(&account) {
        let text =
            format!("the UID in the token request ({sent_uid}) does not match the UID of the service account ({})", object::uid(&account));
        return Err(Status::conflict(&GroupResource::new(GROUP, "TokenRequest"), &name, &text));
    }

    let seconds = object::int_at(&review, &["spec", "expirationSeconds"]).unwrap_or(3600);
    let out_of_bounds = if seconds < LEAST_SECONDS {
        Some("may not specify a duration less than 10 minutes")
    } else if seconds > MOST_SECONDS {
        Some("may not specify a duration larger than 2^32 seconds")
    } else {
        None
    };
    if let Some(text) = out_of_bounds {
        return Err(Status::invalid(&kind, "", &[FieldError::invalid("spec.expirationSeconds", &seconds.into(), text)]));
    }
    let mut audiences: Vec<String> =
        object::items_at(&review, &["spec", "audiences"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences = vec![request.cx.authn.issuer.clone()];
    }
    let reference = object::at(&review, &["spec", "boundObjectRef"]).filter(|r| r.is_object()).cloned();
    let stored = reference.as_ref().map(|reference| bound_object(request, reference, &namespace, &name)).transpose()?;
    let bound = stored.as_ref().map(|(kind, object, node)| match kind {
        Kind::Pod => Bound::Pod(object, node.as_ref()),
        Kind::Secret => Bound::Secret(object),
        Kind::Node => Bound::Node(object),
    });

    let now = request.cx.now();
    let id = uuid::Uuid::new_v4().to_string();
    let claims = service_account::claims(&request.cx.authn.issuer, &account, bound, &audiences, now, seconds, &id);
    let token = request.cx.authn.sign(&claims)?;
    let until = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now);

    review["metadata"]["name"] = name.into();
    review["metadata"]["namespace"] = namespace.into();
    review["metadata"]["uid"] = object::uid(&account).into();
    review["metadata"]["creationTimestamp"] = comity_core::time::rfc3339(now).into();
    review["spec"] = json!({"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference});
    review["status"] = json!({"token": token, "expirationTimestamp": comity_core::time::rfc3339(until)});
    io::written(request, 201, review)
}

enum Kind {
    Pod,
    Secret,
    Node,
}

/// The object that the token is to be bound to, and the node of a pod.
fn bound_object(request: &Request, reference: &Value, namespace: &str, account: &str) -> Result<(Kind, Value, Option<Value>), Status> {
    let named = object::gvk(reference);
    let name = object::str_at(reference, &["name"]);
    let (kind, resource, namespace) = match (named.group.as_str(), named.kind.as_str()) {
        ("", "Pod") => (Kind::Pod, "pods", namespace),
        ("", "Secret") => (Kind::Secret, "secrets", namespace),
        ("", "Node") => (Kind::Node, "nodes", ""),
        _ => return Err(Status::bad_request(format!("cannot bind token to object of type {named}"))),
    };
    let get = |resource: &str, namespace: &str, name: &str| request.cx.authn.stored(&request.cx, resource, namespace, name);
    let stored = get(resource, namespace, name).ok_or_else(|| Status::not_found(&GroupResource::new("", resource), name))?;
    let uid = object::str_at(reference, &["uid"]);
    if !uid.is_empty() && uid != object::uid(&stored) {
        let text = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::conflict(&GroupResource::new("", &named.kind), name, &text));
    }
    let mut node = None;
    if matches!(kind, Kind::Pod) {
        if object::str_at(&stored, &["spec", "serviceAccountName"]) != account {
            let text = format!("cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name.");
            return Err(Status::bad_request(text));
        }
        let name = object::str_at(&stored, &["spec", "nodeName"]);
        if !name.is_empty() {
            node = Some(get("nodes", "", name).unwrap_or_else(|| json!({"metadata": {"name": name}})));
        }
    }
    Ok((kind, stored, node))
}
