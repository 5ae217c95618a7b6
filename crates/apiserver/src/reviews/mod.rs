//! Questions to the server that are asked by POST and stored nowhere: who am I, may I, is this token good.

mod access;
mod io;
mod rules;
mod subject;
mod token;
mod token_request;

use comity_core::{Reason, Status, Value};

pub use self::{io::read, token_request::serve as token_request};
use crate::{answer::Answer, registry::Resource, request::Request};

/// Answers a review.
///
/// # Errors
/// 405 for verbs other than create; 400 and 422 for questions that make no sense.
pub fn serve(request: &Request, resource: &Resource) -> Result<Answer, Status> {
    if request.info.verb != "create" || !request.info.subresource.is_empty() {
        return Err(Status::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource"));
    }
    let mut review = io::read(request, &resource.gvk())?;
    match resource.info.plural.as_str() {
        "selfsubjectaccessreviews" => access::own(request, &mut review)?,
        "subjectaccessreviews" => access::of_others(request, &mut review, None)?,
        "localsubjectaccessreviews" => access::of_others(request, &mut review, Some(&request.info.namespace))?,
        "selfsubjectrulesreviews" => rules::answer(request, &mut review)?,
        "selfsubjectreviews" => subject::answer(request, &mut review),
        "tokenreviews" => token::answer(request, &mut review)?,
        _ => return Err(Status::no_such_resource()),
    }
    io::written(request, 201, review)
}

/// A user as reviews show it; empty fields are left out.
fn user_fields(user: &crate::user::User) -> Value {
    let mut fields = comity_core::json!({"username": user.name});
    if !user.uid.is_empty() {
        fields["uid"] = user.uid.as_str().into();
    }
    if !user.groups.is_empty() {
        fields["groups"] = comity_core::json!(user.groups);
    }
    if !user.extra.is_empty() {
        fields["extra"] = comity_core::json!(user.extra);
    }
    fields
}
