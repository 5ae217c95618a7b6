//! TokenReview: whom a bearer token stands for.

use comity_core::{Status, Value, json, object};

use super::user_fields;
use crate::{authn, request::Request};

/// Fills in the status.
pub fn answer(request: &Request, review: &mut Value) -> Result<(), Status> {
    let token = object::str_at(review, &["spec", "token"]).to_owned();
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let wanted: Vec<String> =
        object::items_at(review, &["spec", "audiences"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    review["status"] = match authn::identify(&request.cx, &token, &wanted) {
        Ok((user, audiences)) => json!({"authenticated": true, "user": user_fields(&user), "audiences": audiences}),
        Err(why) => json!({"user": {}, "error": why}),
    };
    Ok(())
}
