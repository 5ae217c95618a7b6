//! The rule that a template is not a way around access rules, as an existing Kubernetes can keep it: one
//! ValidatingAdmissionPolicy, evaluated by the API server itself for every type configuration.

use std::collections::BTreeSet;

use comity_api_kubefed::keys;
use comity_core::{GroupVersionResource, Value, json};
use comity_lane::{
    client::{ClientError, ClusterClient, PatchKind},
    owned::compare::difference,
};

const NAME: &str = "comity-template-authority";
const API: &str = "admissionregistration.k8s.io/v1";
const MANAGER: &str = "comity";

/// Installs the policy for these groups of federated kinds; `me` is the user of the federation controllers.
///
/// # Errors
/// The cluster refused it, or does not know policies.
pub async fn install(hub: &ClusterClient, groups: &BTreeSet<String>, me: &str) -> Result<(), ClientError> {
    for (plural, object) in [("validatingadmissionpolicies", policy(groups, me)), ("validatingadmissionpolicybindings", binding())] {
        let gvr = GroupVersionResource::new("admissionregistration.k8s.io", "v1", plural);
        let live = hub.get(&gvr, "", NAME).await?;
        if live.is_some_and(|live| difference(&object, &live, MANAGER).is_none()) {
            continue;
        }
        hub.patch(&gvr, "", NAME, None, PatchKind::Apply { force: true }, &object, MANAGER, false).await?;
    }
    Ok(())
}

/// Values that several expressions use. What a type configuration leaves out follows from its name, `<plural>[.<group>]`.
const VARIABLES: [(&str, &str); 7] = [
    ("target", "params.spec.targetType"),
    (
        "group",
        "has(variables.target.group) ? variables.target.group : \
         params.metadata.name.contains('.') ? params.metadata.name.substring(params.metadata.name.indexOf('.') + 1) : ''",
    ),
    ("plural", "has(variables.target.pluralName) ? variables.target.pluralName : params.metadata.name.split('.')[0]"),
    ("home", "variables.target.scope == 'Namespaced' ? request.namespace : ''"),
    // the request that deletes a collection has none
    ("name", "has(request.name) ? request.name : oldObject != null ? oldObject.metadata.name : ''"),
    ("verb", "request.operation.lowerAscii()"),
    // of Roles and bindings the content counts too, and only where it is written
    (
        "grants",
        "variables.group != 'rbac.authorization.k8s.io' || request.operation == 'DELETE' || \
         (request.operation == 'UPDATE' && has(object.spec) && has(oldObject.spec) && object.spec == oldObject.spec) ? '' : variables.plural",
    ),
];

const MAY_WRITE: &str = "authorizer.group(variables.group).resource(variables.plural).namespace(variables.home)\
                         .name(variables.name).check(variables.verb).allowed()";
const MAY_WRITE_SAYS: &str = "'user \"' + request.userInfo.username + '\" cannot ' + variables.verb + ' ' + variables.plural + \
                              (variables.group == '' ? '' : '.' + variables.group) + ' in namespace \"' + variables.home + \
                              '\", which the template would do in members'";
const MAY_GRANT: &str = "!(variables.grants in ['roles', 'clusterroles']) || \
                         authorizer.group('rbac.authorization.k8s.io').resource(variables.plural).namespace(variables.home)\
                         .name(variables.name).check('escalate').allowed()";
const MAY_GRANT_SAYS: &str = "'the template is a role: that needs the verb \"escalate\" on ' + variables.plural";
const MAY_BIND: &str = "!(variables.grants in ['rolebindings', 'clusterrolebindings']) || \
    (has(object.spec.template) && has(object.spec.template.roleRef) && has(object.spec.template.roleRef.name) && \
     !(has(object.spec.overrides) && object.spec.overrides.exists(o, has(o.clusterOverrides) && \
       o.clusterOverrides.exists(c, !(c.path.startsWith('/subjects') || c.path.startsWith('/metadata/')))) ) ? \
     authorizer.group('rbac.authorization.k8s.io')\
     .resource(has(object.spec.template.roleRef.kind) && object.spec.template.roleRef.kind == 'Role' ? 'roles' : 'clusterroles')\
     .namespace(variables.home).name(object.spec.template.roleRef.name).check('bind').allowed() : \
     authorizer.group('rbac.authorization.k8s.io').resource('clusterroles').check('bind').allowed())";
const MAY_BIND_SAYS: &str = "'the template binds a role: that needs the verb \"bind\" on the role of its roleRef; \
                             with overrides that may change the roleRef, on every ClusterRole'";

fn policy(groups: &BTreeSet<String>, me: &str) -> Value {
    let rules = |expression: &str, says: &str| json!({"expression": expression, "messageExpression": says, "reason": "Forbidden"});
    let variables: Vec<Value> = VARIABLES.iter().map(|(name, expression)| json!({"name": name, "expression": expression})).collect();
    json!({
        "apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            "paramKind": {"apiVersion": format!("{}/{}", keys::CORE_GROUP, keys::CORE_VERSION), "kind": "FederatedTypeConfig"},
            "matchConstraints": {"resourceRules": [{
                "apiGroups": groups, "apiVersions": ["*"], "resources": ["*"], "operations": ["CREATE", "UPDATE", "DELETE"],
            }]},
            "matchConditions": [
                {"name": "not-the-controllers", "expression": format!("request.userInfo.username != {}", quoted(me))},
                {"name": "of-this-type", "expression": "request.kind.kind == params.spec.federatedType.kind && \
                    request.kind.group == (has(params.spec.federatedType.group) ? params.spec.federatedType.group : '')"},
            ],
            "variables": variables,
            "validations": [rules(MAY_WRITE, MAY_WRITE_SAYS), rules(MAY_GRANT, MAY_GRANT_SAYS), rules(MAY_BIND, MAY_BIND_SAYS)],
        },
    })
}

/// All type configurations are parameters; where there is none, nothing is federated.
fn binding() -> Value {
    json!({
        "apiVersion": API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": NAME},
        "spec": {
            "policyName": NAME, "validationActions": ["Deny"],
            "paramRef": {"namespace": keys::SYSTEM_NAMESPACE, "selector": {}, "parameterNotFoundAction": "Allow"},
        },
    })
}

/// A CEL string.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}
