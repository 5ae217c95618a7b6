//! Failures that may not repeat what an object holds.
//!
//! A cluster that refuses an object often says why with a part of it: a decoder names the value that it could not
//! take, a webhook whatever its author liked. Where objects are secret, only messages that the API server makes without
//! looking at the content stay as they are.

use comity_core::{Reason, Status, Value};

use super::ClientError;

/// Up to here a refusal names who refused; what follows is the refuser's own text.
const DENIALS: [&str; 2] = ["denied the request", "denied request"];

impl ClientError {
    /// The same failure without anything that may come from the object.
    #[must_use]
    pub fn without_content(self) -> Self {
        match self {
            ClientError::Api(status) => ClientError::Api(redacted(status)),
            ClientError::Unauthorized(status) => ClientError::Unauthorized(redacted(status)),
            ClientError::Malformed(_) => {
                ClientError::Malformed("what was wrong with it may not be shown: the object is confidential".to_owned())
            }
            ClientError::Unreachable(_) | ClientError::Timeout => self,
        }
    }
}

fn redacted(mut status: Status) -> Status {
    let fields: Vec<String> = causes(&status).filter_map(|cause| cause["field"].as_str().map(str::to_owned)).collect();
    if let Some(end) = DENIALS.iter().find_map(|word| status.message.find(word).map(|at| at + word.len())) {
        status.message.truncate(end);
        status.message.push_str("; its reasons are not repeated, because the object is confidential");
    } else if !is_harmless(&status) {
        let at = if fields.is_empty() { String::new() } else { format!(" at {}", fields.join(", ")) };
        status.message = format!(
            "the cluster refused it ({:?}, HTTP {}){at}; its words are not repeated, because the object is confidential",
            status.reason, status.code
        );
    }
    if let Some(Value::Array(causes)) = status.details.get_mut("causes") {
        for cause in causes.iter_mut().filter_map(Value::as_object_mut) {
            cause.remove("message");
        }
    }
    status
}

fn causes(status: &Status) -> impl Iterator<Item = &Value> {
    status.details.get("causes").and_then(Value::as_array).into_iter().flatten()
}

/// What the API server says of names, rights, states and load only.
fn is_harmless(status: &Status) -> bool {
    use Reason::*;
    let by_reason = matches!(
        status.reason,
        Unauthorized
            | Forbidden
            | NotFound
            | AlreadyExists
            | Conflict
            | Gone
            | Expired
            | TooManyRequests
            | ServerTimeout
            | ServiceUnavailable
            | Timeout
    );
    by_reason && !status.message.contains("webhook") && !status.message.contains("denied")
}

#[cfg(test)]
mod tests {
    use comity_core::{GroupResource, json};

    use super::*;

    const PLANTED: &str = "hunter2";

    fn of(code: u16, body: Value) -> String {
        let error = ClientError::of_status(Status::from_value(code, &body)).without_content();
        assert!(!format!("{error:?}").contains(PLANTED), "{error:?}");
        error.to_string()
    }

    #[test]
    fn what_a_refusal_says_of_the_content_is_not_repeated() {
        insta::assert_snapshot!([
            of(500, json!({"reason": "InternalError", "message": "failed to create typed patch object: .data.pin: expected string, got &{hunter2}"})),
            of(422, json!({"reason": "Invalid", "message": "Secret \"s\" is invalid: data[p]: Invalid value: \"hunter2\"",
                "details": {"causes": [{"reason": "FieldValueInvalid", "field": "data[p]", "message": "Invalid value: \"hunter2\""}]}})),
            of(400, json!({"reason": "BadRequest", "message": "admission webhook \"w.example.com\" denied the request: password hunter2 is weak"})),
            of(403, json!({"reason": "Forbidden", "message": "secrets \"s\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: hunter2"})),
            of(404, json!({"message": "webhook says hunter2"})),
        ].join("\n"), @r#"
        the cluster refused it (InternalError, HTTP 500); its words are not repeated, because the object is confidential
        the cluster refused it (Invalid, HTTP 422) at data[p]; its words are not repeated, because the object is confidential
        admission webhook "w.example.com" denied the request; its reasons are not repeated, because the object is confidential
        secrets "s" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request; its reasons are not repeated, because the object is confidential
        the cluster refused it (NotFound, HTTP 404); its words are not repeated, because the object is confidential
        "#);
    }

    #[test]
    fn what_is_said_of_names_rights_and_load_stays() {
        let secrets = GroupResource::new("", "secrets");
        for status in [
            Status::forbidden(&secrets, "s", "exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1"),
            Status::forbidden(&secrets, "s", "User \"u\" cannot patch resource \"secrets\" in API group \"\" in the namespace \"n\""),
            Status::not_found(&secrets, "s"),
            Status::new(Reason::TooManyRequests, "too many requests, try again"),
        ] {
            assert_eq!(ClientError::of_status(status.clone()).without_content().to_string(), status.message);
        }
    }

    #[test]
    fn an_unreadable_answer_is_not_shown() {
        assert!(!ClientError::Malformed(PLANTED.to_owned()).without_content().to_string().contains(PLANTED));
    }
}
