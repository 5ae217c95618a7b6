//! SelfSubjectReview: who the server takes the sender for.

use comity_core::{Value, json};

use super::user_fields;
use crate::request::Request;

/// Fills in the status.
pub fn answer(request: &Request, review: &mut Value) {
    review["metadata"] = json!({"creationTimestamp": request.cx.now_text()});
    review["status"] = json!({"userInfo": user_fields(&request.user)});
}
