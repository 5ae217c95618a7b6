//! Who may do what, and who is who: RBAC, impersonation, reviews, tokens.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use base64::Engine as _;
use comity_apiserver::User;
use comity_core::{Value, json};
use common::{ADMIN_TOKEN, Hub, user};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const PODS: &str = "/api/v1/namespaces/default/pods";

async fn grant(hub: &Hub, name: &str, rules: &Value, subject: &Value) {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
    hub.admin("POST", &format!("{RBAC}/clusterroles"), Some(&role)).await.ok();
    hub.admin("POST", &format!("{RBAC}/clusterrolebindings"), Some(&binding(name, name, subject))).await.ok();
}

fn binding(name: &str, role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "subjects": [subject], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    })
}

fn person(name: &str) -> Value {
    json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name})
}

fn rule(verbs: &[&str], group: &str, resources: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": [group], "resources": resources})
}

async fn account(hub: &Hub, name: &str) -> Value {
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    hub.admin("POST", "/api/v1/namespaces/default/serviceaccounts", Some(&object)).await.ok()
}

async fn who(hub: &Hub, token: &str) -> (u16, Value) {
    let header = format!("Bearer {token}");
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let reply = hub.outside("POST", path, &[("authorization", &header)], Some(&review)).await;
    (reply.code, reply.json()["status"]["userInfo"].clone())
}

#[tokio::test]
async fn a_right_holds_from_the_moment_it_is_given_until_it_is_taken() {
    let hub = Hub::start().await;
    let bob = user("bob");
    let refused = hub.send(&bob, "GET", PODS, None).await.failure();
    assert_eq!(
        refused,
        (403, r#"pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default""#.to_owned())
    );
    grant(&hub, "reader", &json!([rule(&["list"], "", &["pods"])]), &person("bob")).await;
    hub.send(&bob, "GET", PODS, None).await.ok();
    hub.admin("DELETE", &format!("{RBAC}/clusterrolebindings/reader"), None).await.ok();
    assert_eq!(hub.send(&bob, "GET", PODS, None).await.code, 403);
}

#[tokio::test]
async fn bootstrap_roles_are_there_and_aggregated_ones_have_rules() {
    let hub = Hub::start().await;
    for name in ["cluster-admin", "admin", "edit", "view", "system:discovery"] {
        let role = hub.admin("GET", &format!("{RBAC}/clusterroles/{name}"), None).await.ok();
        assert!(role["rules"].as_array().is_some_and(|rules| !rules.is_empty()), "{name}");
    }
    let own = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "widgets", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [rule(&["get"], "example.com", &["widgets"])],
    });
    hub.admin("POST", &format!("{RBAC}/clusterrolebindings"), Some(&binding("bob-views", "view", &person("bob")))).await.ok();
    hub.admin("POST", &format!("{RBAC}/clusterroles"), Some(&own)).await.ok();
    let access = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "bob", "resourceAttributes": {"verb": "get", "group": "example.com", "resource": "widgets"}},
    });
    let answer = hub.admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", Some(&access)).await.ok();
    assert_eq!(
        answer["status"],
        json!({"allowed": true, "reason": r#"RBAC: allowed by ClusterRoleBinding "bob-views" of ClusterRole "view" to User "bob""#})
    );
    let store = hub.0.store().clone();
    hub.until("rbac.authorization.k8s.io/clusterroles", || {
        let key = comity_store::Key::new("rbac.authorization.k8s.io/clusterroles", "", "view");
        store.get(&key).is_some_and(|entry| entry.object().to_string().contains("example.com"))
    })
    .await;
}

#[tokio::test]
async fn nobody_hands_out_what_they_do_not_hold() {
    let hub = Hub::start().await;
    let bob = User::new("bob", &["devs"]);
    let rules = json!([rule(&["create", "update", "patch", "get"], "rbac.authorization.k8s.io", &["clusterroles", "clusterrolebindings"])]);
    grant(&hub, "rbac-writer", &rules, &person("bob")).await;
    let role = |name: &str, rules: Value| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
    let path = format!("{RBAC}/clusterroles");
    let refused = hub.send(&bob, "POST", &path, Some(&role("zz", json!([rule(&["get", "list"], "", &["pods", "nodes"])])))).await;
    let text = concat!(
        r#"clusterroles.rbac.authorization.k8s.io "zz" is forbidden: user "bob" (groups=["devs" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:"#,
        "\n",
        r#"{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}"#,
        "\n",
        r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#
    );
    assert_eq!(refused.failure(), (403, text.to_owned()));
    hub.send(&bob, "POST", &path, Some(&role("own", json!([rule(&["get"], "rbac.authorization.k8s.io", &["clusterroles"])])))).await.ok();
    let bindings = format!("{RBAC}/clusterrolebindings");
    let refused = hub.send(&bob, "POST", &bindings, Some(&binding("all", "cluster-admin", &person("x")))).await.failure();
    assert!(
        refused.0 == 403
            && refused.1.ends_with("{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_a_binding_refers_to_never_changes() {
    let hub = Hub::start().await;
    hub.admin("POST", &format!("{RBAC}/clusterrolebindings"), Some(&binding("b", "view", &person("x")))).await.ok();
    let patch = json!({"roleRef": {"name": "edit"}});
    let refused = hub.admin("PATCH", &format!("{RBAC}/clusterrolebindings/b"), Some(&patch)).await.failure();
    let text = r#"ClusterRoleBinding.rbac.authorization.k8s.io "b" is invalid: roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"edit"}: cannot change roleRef"#;
    assert_eq!(refused, (422, text.to_owned()));
}

#[tokio::test]
async fn anonymous_reads_public_paths_only_and_bad_tokens_nothing() {
    let hub = Hub::start().await;
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert_eq!(hub.outside("GET", path, &[], None).await.code, 200, "{path}");
    }
    let text = r#"forbidden: User "system:anonymous" cannot get path "/apis""#;
    assert_eq!(hub.outside("GET", "/apis", &[], None).await.failure(), (403, text.to_owned()));
    let bad = hub.outside("GET", "/version", &[("authorization", "Bearer nonsense")], None).await;
    assert_eq!(bad.failure(), (401, "Unauthorized".to_owned()));
    let header = format!("Bearer {ADMIN_TOKEN}");
    assert_eq!(hub.outside("GET", "/apis", &[("authorization", &header)], None).await.code, 200);
}

#[tokio::test]
async fn a_requested_token_is_good_as_long_as_its_account_lives() {
    let hub = Hub::start().await;
    let made = account(&hub, "s1").await;
    let path = "/api/v1/namespaces/default/serviceaccounts/s1/token";
    let ask = |spec: Value| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let short = hub.admin("POST", path, Some(&ask(json!({"expirationSeconds": 10})))).await.failure();
    let text = r#"TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes"#;
    assert_eq!(short, (422, text.to_owned()));
    let answer = hub.admin("POST", path, Some(&ask(json!({})))).await.ok();
    let token = answer["status"]["token"].as_str().unwrap();
    let (code, info) = who(&hub, token).await;
    assert_eq!((code, &info["username"], &info["uid"]), (201, &json!("system:serviceaccount:default:s1"), &made["metadata"]["uid"]));

    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": ["x"]}});
    let reviewed = hub.admin("POST", "/apis/authentication.k8s.io/v1/tokenreviews", Some(&review)).await.ok();
    let error = r#"[invalid bearer token, token audiences ["https://kubernetes.default.svc"] is invalid for the target audiences ["x"]]"#;
    assert_eq!(reviewed["status"], json!({"user": {}, "error": error}));

    hub.admin("DELETE", "/api/v1/namespaces/default/serviceaccounts/s1", None).await.ok();
    account(&hub, "s1").await;
    assert_eq!(who(&hub, token).await.0, 401);
}

#[tokio::test]
async fn a_token_secret_is_filled_before_or_after_its_account_comes() {
    let hub = Hub::start().await;
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = |name: &str, account: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": account}},
        })
    };
    hub.admin("POST", secrets, Some(&secret("early", "s1"))).await.ok();
    account(&hub, "s1").await;
    hub.admin("POST", secrets, Some(&secret("late", "s1"))).await.ok();
    for name in ["early", "late"] {
        let filled = hub.admin("GET", &format!("{secrets}/{name}"), None).await.ok();
        let part = |key: &str| {
            let text = filled["data"][key].as_str().unwrap_or_else(|| panic!("{name} has no {key}"));
            String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
        };
        assert_eq!(part("namespace"), "default");
        assert!(part("ca.crt").starts_with("-----BEGIN CERTIFICATE-----"));
        let token = part("token");
        assert_eq!(who(&hub, &token).await.1["username"], "system:serviceaccount:default:s1");
        hub.admin("DELETE", &format!("{secrets}/{name}"), None).await.ok();
        assert_eq!(who(&hub, &token).await.0, 401);
    }
}

#[tokio::test]
async fn impersonation_needs_the_verb_and_gives_exactly_the_asked_identity() {
    let hub = Hub::start().await;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let headers = [
        ("authorization", admin.as_str()),
        ("impersonate-user", "alice"),
        ("impersonate-group", "devs"),
        ("impersonate-extra-scopes", "a"),
    ];
    let alice = hub.outside("POST", path, &headers, Some(&review)).await.ok();
    assert_eq!(
        alice["status"]["userInfo"],
        json!({"username": "alice", "groups": ["devs", "system:authenticated"], "extra": {"scopes": ["a"]}})
    );
    let account = hub.outside("POST", path, &[headers[0], ("impersonate-user", "system:serviceaccount:a:b")], Some(&review)).await.ok();
    assert_eq!(
        account["status"]["userInfo"]["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"])
    );
    let nobody = hub.outside("GET", "/version", &[headers[0], ("impersonate-group", "devs")], None).await.failure();
    let text = r#"requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"devs"}, Extra:map[string][]string(nil)} without impersonating a user name"#;
    assert_eq!(nobody, (400, text.to_owned()));
    let anonymous = hub.outside("GET", PODS, &[("impersonate-user", "alice")], None).await.failure();
    let text = r#"pods is forbidden: User "system:anonymous" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "default""#;
    assert_eq!(anonymous, (403, text.to_owned()));
}

#[tokio::test]
async fn reviews_answer_as_the_real_server_does() {
    let hub = Hub::start().await;
    let bob = User::new("bob", &["devs"]);
    let own = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let ask = |spec: Value| json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec});
    let version = hub.send(&bob, "POST", own, Some(&ask(json!({"nonResourceAttributes": {"verb": "get", "path": "/version"}})))).await.ok();
    assert_eq!(version["status"]["allowed"], true);
    let empty = hub.send(&bob, "POST", own, Some(&ask(json!({})))).await.failure();
    let text = r#".authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"#;
    assert_eq!(empty, (422, text.to_owned()));
    let rules = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}});
    let rules = hub.send(&bob, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", Some(&rules)).await.ok();
    assert_eq!(
        rules["status"]["resourceRules"],
        json!([
            {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
            {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
        ])
    );
    assert_eq!(rules["status"]["nonResourceRules"].as_array().unwrap().len(), 2);
    let local = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "LocalSubjectAccessReview", "spec": {"user": "u", "resourceAttributes": {"namespace": "q"}}});
    let local =
        hub.admin("POST", "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews", Some(&local)).await.failure();
    let text =
        r#".authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "q": must match metadata.namespace"#;
    assert_eq!(local, (422, text.to_owned()));
}
