//! SelfSubjectRulesReview: everything that the sender may do in a namespace.

use comity_core::{Status, Value, json, object};

use crate::{authz::Rule, request::Request};

/// Fills in the status.
pub fn answer(request: &Request, review: &mut Value) -> Result<(), Status> {
    let namespace = object::str_at(review, &["spec", "namespace"]).to_owned();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (rules, problems) = request.cx.authz.rbac.index().rules_of(&request.user, &namespace);
    let resource_rules: Vec<Value> = rules.iter().filter(|rule| !rule.resources.is_empty()).map(resource_rule).collect();
    let paths = rules.iter().filter(|rule| !rule.paths.is_empty());
    let path_rules: Vec<Value> = paths.map(|rule| json!({"verbs": rule.verbs, "nonResourceURLs": rule.paths})).collect();
    review["spec"] = json!({});
    review["status"] = json!({"resourceRules": resource_rules, "nonResourceRules": path_rules, "incomplete": false});
    if !problems.is_empty() {
        let text = if problems.len() == 1 { problems[0].clone() } else { format!("[{}]", problems.join(", ")) };
        review["status"]["evaluationError"] = text.into();
    }
    Ok(())
}

fn resource_rule(rule: &Rule) -> Value {
    let mut value = json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources});
    if !rule.names.is_empty() {
        value["resourceNames"] = json!(rule.names);
    }
    value
}
