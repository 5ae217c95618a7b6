//! The index against a plain reading of the same objects.

use comity_core::{Value, json, object};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{Action, Attributes, Authorizer, Index};
use crate::user::User;

/// Roles, cluster roles, role bindings, cluster role bindings.
type Policy = [Vec<Value>; 4];

fn some(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(texts), 0..3)
}

fn rules() -> impl Strategy<Value = Value> {
    let rule = (
        some(&["get", "list", "create", "*"]),
        some(&["", "apps", "*"]),
        some(&["pods", "pods/log", "deployments", "*/log", "*"]),
        some(&["a", "b"]),
        some(&["/healthz", "/apis/*", "*"]),
    );
    // As validation has it: a rule is about resources or about paths.
    let rule = rule.prop_map(|(verbs, groups, resources, names, paths)| match paths.is_empty() {
        true => json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names}),
        false => json!({"verbs": verbs, "nonResourceURLs": paths}),
    });
    vec(rule, 0..3).prop_map(Value::Array)
}

fn subjects() -> impl Strategy<Value = Value> {
    let subject =
        (select(&["User", "Group", "ServiceAccount", "Other"][..]), select(&["alice", "devs", "sa"][..]), select(&["", "n1", "n2"][..]));
    vec(subject.prop_map(|(kind, name, namespace)| json!({"kind": kind, "name": name, "namespace": namespace})), 0..3)
        .prop_map(Value::Array)
}

fn binding(namespaced: bool) -> impl Strategy<Value = Value> {
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    let parts = (select(vec!["n1", "n2"]), subjects(), select(kinds.to_vec()), select(vec!["r0", "r1", "gone"]));
    parts.prop_map(move |(namespace, subjects, kind, name)| {
        let metadata = if namespaced { json!({"name": "b", "namespace": namespace}) } else { json!({"name": "b"}) };
        json!({"metadata": metadata, "subjects": subjects, "roleRef": {"kind": kind, "name": name}})
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    (vec(rules(), 4), vec(rules(), 2), vec(binding(true), 0..4), vec(binding(false), 0..3)).prop_map(
        |(roles, cluster, bindings, cluster_bindings)| {
            let places = [("n1", "r0"), ("n1", "r1"), ("n2", "r0"), ("n2", "r1")];
            let roles =
                places.iter().zip(roles).map(|((ns, name), rules)| json!({"metadata": {"namespace": ns, "name": name}, "rules": rules}));
            let cluster = cluster.into_iter().enumerate().map(|(i, rules)| json!({"metadata": {"name": format!("r{i}")}, "rules": rules}));
            [roles.collect(), cluster.collect(), bindings, cluster_bindings]
        },
    )
}

fn index(policy: &Policy) -> Index {
    let [a, b, c, d] = policy.each_ref().map(|list| list.iter().collect::<Vec<_>>());
    Index::build(&a, &b, &c, &d)
}

/// Reads the objects anew for every question, in the words of the RBAC documentation.
fn oracle(policy: &Policy, user: &User, namespace: &str, action: &Action<'_>) -> bool {
    let [roles, cluster_roles, bindings, cluster_bindings] = policy;
    let has = |value: &Value, key: &str, text: &str| object::items_at(value, &[key]).iter().any(|v| v == text);
    let means = |binding: &Value, home: &str| {
        object::items_at(binding, &["subjects"]).iter().any(|s| {
            let (name, ns) = (object::str_at(s, &["name"]), object::str_at(s, &["namespace"]));
            match object::str_at(s, &["kind"]) {
                "User" => user.name == name,
                "Group" => user.groups.iter().any(|g| g == name),
                "ServiceAccount" => {
                    let ns = if ns.is_empty() { home } else { ns };
                    !ns.is_empty() && user.name == format!("system:serviceaccount:{ns}:{name}")
                }
                _ => false,
            }
        })
    };
    let allows = |rule: &Value| match *action {
        Action::Path { verb, path } => {
            (has(rule, "verbs", verb) || has(rule, "verbs", "*"))
                && object::items_at(rule, &["nonResourceURLs"]).iter().filter_map(Value::as_str).any(|p| match p.strip_suffix('*') {
                    Some(prefix) => path.starts_with(prefix),
                    None => path == p,
                })
        }
        Action::Resource { verb, group, resource, subresource, name } => {
            let whole = if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
            (has(rule, "verbs", verb) || has(rule, "verbs", "*"))
                && (has(rule, "apiGroups", group) || has(rule, "apiGroups", "*"))
                && (has(rule, "resources", &whole)
                    || has(rule, "resources", "*")
                    || (!subresource.is_empty() && has(rule, "resources", &format!("*/{subresource}"))))
                && (object::items_at(rule, &["resourceNames"]).is_empty() || has(rule, "resourceNames", name))
        }
    };
    let granted = |binding: &Value, home: &str| {
        let (kind, name) = (object::str_at(binding, &["roleRef", "kind"]), object::str_at(binding, &["roleRef", "name"]));
        let from = if kind == "Role" { roles } else { cluster_roles };
        let home = if kind == "Role" { home } else { "" };
        let role = from.iter().find(|r| object::name(r) == name && object::namespace(r) == home);
        role.is_some_and(|role| object::items_at(role, &["rules"]).iter().any(allows))
    };
    cluster_bindings.iter().any(|b| means(b, "") && granted(b, ""))
        || bindings.iter().any(|b| object::namespace(b) == namespace && means(b, namespace) && granted(b, namespace))
}

proptest! {
    #[test]
    fn the_index_decides_as_a_plain_reading_does(policy in policy()) {
        let index = index(&policy);
        let users = [
            User { name: "alice".to_owned(), ..User::default() },
            User { name: "bob".to_owned(), groups: vec!["devs".to_owned()], ..User::default() },
            User { name: "system:serviceaccount:n1:sa".to_owned(), ..User::default() },
        ];
        for user in &users {
            for namespace in ["", "n1", "n2"] {
                for verb in ["get", "create"] {
                    for (group, resource, subresource) in [("", "pods", ""), ("", "pods", "log"), ("apps", "deployments", "")] {
                        for name in ["", "a"] {
                            let action = Action::Resource { verb, group, resource, subresource, name };
                            let decision = index.authorize(&Attributes { user, namespace, action });
                            prop_assert_eq!(decision.allowed, oracle(&policy, user, namespace, &action), "{:?} in {:?} by {}", action, namespace, user.name);
                        }
                    }
                }
            }
            for path in ["/healthz", "/apis/apps", "/"] {
                let action = Action::Path { verb: "get", path };
                prop_assert_eq!(index.authorize(&Attributes { user, namespace: "", action }).allowed, oracle(&policy, user, "", &action));
            }
        }
    }

    #[test]
    fn rights_that_are_held_can_always_be_handed_on(policy in policy()) {
        let index = index(&policy);
        let user = User { name: "alice".to_owned(), ..User::default() };
        let (held, _) = index.rules_of(&user, "n1");
        prop_assert!(super::rule::missing(&held, &held).is_empty());
    }
}

#[test]
fn masters_may_do_everything_and_reasons_name_the_binding() {
    let role = json!({"metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]});
    let subjects = json!([{"kind": "ServiceAccount", "name": "sa", "namespace": "n1"}]);
    let binding = json!({"metadata": {"name": "b"}, "subjects": subjects, "roleRef": {"kind": "ClusterRole", "name": "r"}});
    let broken = json!({"metadata": {"name": "c"}, "subjects": [{"kind": "User", "name": "bob"}], "roleRef": {"kind": "ClusterRole", "name": "gone"}});
    let index = Index::build(&[], &[&role], &[], &[&binding, &broken]);
    let get = |user: &User| index.authorize(&Attributes::resource(user, "get", "", "pods", "", "x"));
    assert!(get(&User::system("root")).allowed);
    let account = User { name: "system:serviceaccount:n1:sa".to_owned(), ..User::default() };
    assert_eq!(get(&account).reason, r#"RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to ServiceAccount "sa/n1""#);
    let bob = get(&User { name: "bob".to_owned(), ..User::default() });
    assert_eq!((bob.allowed, bob.reason.as_str()), (false, r#"RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#));
}
