//! Tokens of service accounts: what they claim, and whether that still holds.

use comity_core::{Value, json, object};
use jiff::Timestamp;

use crate::user::User;

/// Issuer of tokens that stand in Secrets.
pub const SECRET_ISSUER: &str = "kubernetes/serviceaccount";
/// Type of Secrets that hold a token.
pub const SECRET_TYPE: &str = "kubernetes.io/service-account-token";
/// Annotation of such a Secret: the service account's name.
pub const SECRET_ACCOUNT: &str = "kubernetes.io/service-account.name";
/// Annotation of such a Secret: the service account's uid.
pub const SECRET_ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

const USER_PREFIX: &str = "system:serviceaccount:";
const EXTRA: &str = "authentication.kubernetes.io/";
/// Key of a user's extra that tells the credential apart.
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
const LEGACY: &str = "kubernetes.io/serviceaccount/";
/// Clocks may differ this much.
const LEEWAY: i64 = 60;

/// The user name of a service account.
pub fn user_name(namespace: &str, name: &str) -> String {
    format!("{USER_PREFIX}{namespace}:{name}")
}

/// Namespace and name of a service account's user name.
pub fn split_user(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(USER_PREFIX)?.split_once(':')?;
    let valid = comity_core::names::dns1123_label(namespace).is_empty() && comity_core::names::dns1123_subdomain(name).is_empty();
    valid.then_some((namespace, name))
}

/// The groups of a service account of a namespace.
pub fn groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

/// An object that a token may be bound to.
#[derive(Clone, Copy, Debug)]
pub enum Bound<'a> {
    /// A Pod and the Node it runs on, if it has one.
    Pod(&'a Value, Option<&'a Value>),
    /// A Secret.
    Secret(&'a Value),
    /// A Node.
    Node(&'a Value),
}

/// Claims of a token with an end.
pub fn claims(
    issuer: &str,
    account: &Value,
    bound: Option<Bound<'_>>,
    audiences: &[String],
    now: Timestamp,
    seconds: i64,
    id: &str,
) -> Value {
    let now = now.as_second();
    let reference = |of: &Value| {
        let mut reference = json!({"name": object::name(of)});
        if !object::uid(of).is_empty() {
            reference["uid"] = object::uid(of).into();
        }
        reference
    };
    let (namespace, name) = (object::namespace(account), object::name(account));
    let mut kubernetes = json!({"namespace": namespace});
    if let Some(Bound::Node(node) | Bound::Pod(_, Some(node))) = bound {
        kubernetes["node"] = reference(node);
    }
    match bound {
        Some(Bound::Pod(pod, _)) => kubernetes["pod"] = reference(pod),
        Some(Bound::Secret(secret)) => kubernetes["secret"] = reference(secret),
        _ => {}
    }
    kubernetes["serviceaccount"] = reference(account);
    json!({
        "aud": audiences, "exp": now.saturating_add(seconds), "iat": now, "iss": issuer, "jti": id,
        "kubernetes.io": kubernetes, "nbf": now, "sub": user_name(namespace, name),
    })
}

/// Claims of a token that stands in a Secret: it has no end and is good as long as the Secret holds it.
pub fn secret_claims(account: &Value, secret: &str) -> Value {
    let (namespace, name) = (object::namespace(account), object::name(account));
    json!({
        "iss": SECRET_ISSUER,
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret,
        "kubernetes.io/serviceaccount/service-account.name": name,
        "kubernetes.io/serviceaccount/service-account.uid": object::uid(account),
        "sub": user_name(namespace, name),
    })
}

/// Reads stored objects: resource, namespace, name.
pub type Lookup<'a> = &'a (dyn Fn(&str, &str, &str) -> Option<Value> + Sync);

/// The user that verified claims stand for, and the audiences they name (none: any).
///
/// # Errors
/// Why the token is no good, for a TokenReview; callers of other requests only learn that it is not.
pub fn identify(token: &str, claims: &Value, issuer: &str, now: Timestamp, lookup: Lookup<'_>) -> Result<(User, Vec<String>), String> {
    match object::str_at(claims, &["iss"]) {
        SECRET_ISSUER => legacy(token, claims, lookup).map(|user| (user, Vec::new())),
        iss if iss == issuer => bound(claims, now, lookup).map(|user| (user, audiences(claims))),
        _ => Err("invalid bearer token".to_owned()),
    }
}

fn audiences(claims: &Value) -> Vec<String> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        _ => object::items_at(claims, &["aud"]).iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

fn bound(claims: &Value, now: Timestamp, lookup: Lookup<'_>) -> Result<User, String> {
    let seconds = now.as_second();
    let time = |key: &str| claims.get(key).and_then(Value::as_i64);
    if time("exp").is_none_or(|exp| seconds > exp.saturating_add(LEEWAY)) {
        return Err("service account token has expired".to_owned());
    }
    if time("nbf").is_some_and(|nbf| seconds.saturating_add(LEEWAY) < nbf) {
        return Err("service account token is not valid yet".to_owned());
    }
    if time("iat").is_some_and(|iat| seconds.saturating_add(LEEWAY) < iat) {
        return Err("service account token is issued in the future".to_owned());
    }
    let kubernetes = &claims["kubernetes.io"];
    let claim = |kind: &str, key: &str| object::str_at(kubernetes, &[kind, key]).to_owned();
    let namespace = object::str_at(kubernetes, &["namespace"]);
    let (name, uid) = (claim("serviceaccount", "name"), claim("serviceaccount", "uid"));
    let account = lookup("serviceaccounts", namespace, &name).ok_or_else(|| format!("serviceaccounts {name:?} not found"))?;
    if object::uid(&account) != uid {
        return Err(format!("service account UID ({}) does not match claim ({uid})", object::uid(&account)));
    }
    if gone(&account, now) {
        return Err(format!("service account {namespace}/{name} has been deleted"));
    }
    let is_bound = |kind: &str| kubernetes.get(kind).is_some_and(Value::is_object);
    for (kind, resource, text) in [("secret", "secrets", "secret"), ("pod", "pods", "pod"), ("node", "nodes", "node")] {
        // The node of a pod-bound token only tells where the pod runs.
        if !is_bound(kind) || (kind == "node" && is_bound("pod")) {
            continue;
        }
        let scope = if kind == "node" { "" } else { namespace };
        let stored = lookup(resource, scope, &claim(kind, "name")).filter(|stored| !gone(stored, now));
        let stored = stored.ok_or("service account token has been invalidated")?;
        if object::uid(&stored) != claim(kind, "uid") {
            let title = format!("{}{}", text[..1].to_uppercase(), &text[1..]);
            let found = object::uid(&stored);
            return Err(match kind {
                "secret" | "pod" => {
                    format!("{text} UID ({found}) does not match service account {text} ref claim ({})", claim(kind, "uid"))
                }
                _ => format!("{title} UID ({found}) does not match service account {text} ref claim ({})", claim(kind, "uid")),
            });
        }
    }
    let mut user = user(namespace, &name, uid);
    let mut extra = |key: &str, value: String| {
        if !value.is_empty() {
            user.extra.insert(format!("{EXTRA}{key}"), vec![value]);
        }
    };
    if let Some(id) = claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        extra("credential-id", format!("JTI={id}"));
    }
    for kind in ["node", "pod"] {
        for key in ["name", "uid"] {
            extra(&format!("{kind}-{key}"), claim(kind, key));
        }
    }
    Ok(user)
}

fn legacy(token: &str, claims: &Value, lookup: Lookup<'_>) -> Result<User, String> {
    let claim = |key: &str| claims.get(format!("{LEGACY}{key}")).and_then(Value::as_str).unwrap_or("").to_owned();
    let (namespace, secret, name, uid) =
        (claim("namespace"), claim("secret.name"), claim("service-account.name"), claim("service-account.uid"));
    if object::str_at(claims, &["sub"]) != user_name(&namespace, &name) {
        return Err("sub claim is invalid".to_owned());
    }
    let secret = lookup("secrets", &namespace, &secret).filter(|s| !object::is_deleting(s)).ok_or("Token has been invalidated")?;
    let held = object::str_at(&secret, &["data", "token"]);
    if crate::authn::decoded(held).as_deref() != Some(token.as_bytes()) {
        return Err("Token does not match server's copy".to_owned());
    }
    let account = lookup("serviceaccounts", &namespace, &name).ok_or_else(|| format!("serviceaccounts {name:?} not found"))?;
    if object::is_deleting(&account) {
        return Err(format!("ServiceAccount {namespace}/{name} has been deleted"));
    }
    if object::uid(&account) != uid {
        return Err(format!("ServiceAccount UID ({}) does not match claim ({uid})", object::uid(&account)));
    }
    Ok(user(&namespace, &name, uid))
}

fn user(namespace: &str, name: &str, uid: String) -> User {
    let mut groups = groups(namespace);
    groups.push(User::AUTHENTICATED.to_owned());
    User { name: user_name(namespace, name), groups, uid, ..User::default() }
}

/// Whether an object has been on its way out for longer than clocks may differ.
fn gone(stored: &Value, now: Timestamp) -> bool {
    let deleted = object::str_at(stored, &["metadata", "deletionTimestamp"]);
    comity_core::time::parse(deleted).is_some_and(|time| time.as_second() < now.as_second() - LEEWAY)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    const ISSUER: &str = "https://kubernetes.default.svc";

    fn account() -> Value {
        json!({"metadata": {"name": "s1", "namespace": "default", "uid": "u1"}})
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn token(bound: Option<Bound<'_>>) -> Value {
        claims(ISSUER, &account(), bound, &[ISSUER.to_owned()], at(1000), 600, "id")
    }

    fn check(claims: &Value, second: i64, objects: &[(&str, Value)]) -> Result<User, String> {
        let lookup = |resource: &str, _: &str, name: &str| {
            objects.iter().find(|(r, o)| *r == resource && object::name(o) == name).map(|(_, o)| o.clone())
        };
        identify("t", claims, ISSUER, at(second), &lookup).map(|(user, _)| user)
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let objects = [("serviceaccounts", account())];
        let user = check(&token(None), 1100, &objects).unwrap();
        assert_eq!(user.name, "system:serviceaccount:default:s1");
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
        assert_eq!(user.extra["authentication.kubernetes.io/credential-id"], ["JTI=id"]);
        assert_eq!(check(&token(None), 1700, &objects), Err("service account token has expired".to_owned()));
        assert_eq!(check(&token(None), 100, &objects), Err("service account token is not valid yet".to_owned()));
    }

    #[test]
    fn a_token_ends_with_its_account_even_when_another_takes_the_name() {
        assert!(check(&token(None), 1100, &[]).is_err());
        let other = json!({"metadata": {"name": "s1", "namespace": "default", "uid": "u2"}});
        assert_eq!(
            check(&token(None), 1100, &[("serviceaccounts", other)]),
            Err("service account UID (u2) does not match claim (u1)".to_owned())
        );
    }

    #[test]
    fn a_bound_token_ends_with_its_pod() {
        let pod = json!({"metadata": {"name": "p", "namespace": "default", "uid": "pu"}});
        let node = json!({"metadata": {"name": "n"}});
        let claims = token(Some(Bound::Pod(&pod, Some(&node))));
        let mut objects = vec![("serviceaccounts", account()), ("pods", pod.clone())];
        let user = check(&claims, 1100, &objects).unwrap();
        assert_eq!(user.extra["authentication.kubernetes.io/pod-name"], ["p"]);
        assert_eq!(user.extra["authentication.kubernetes.io/node-name"], ["n"]);
        objects.pop();
        assert_eq!(check(&claims, 1100, &objects), Err("service account token has been invalidated".to_owned()));
    }

    #[test]
    fn a_secret_token_is_good_only_as_long_as_the_secret_holds_it() {
        let claims = secret_claims(&account(), "s");
        let secret = |text: &str| {
            let data = base64::engine::general_purpose::STANDARD.encode(text);
            ("secrets", json!({"metadata": {"name": "s", "namespace": "default"}, "data": {"token": data}}))
        };
        assert!(check(&claims, i64::from(u32::MAX), &[("serviceaccounts", account()), secret("t")]).is_ok());
        assert_eq!(
            check(&claims, 5, &[("serviceaccounts", account()), secret("other")]),
            Err("Token does not match server's copy".to_owned())
        );
        assert_eq!(check(&claims, 5, &[("serviceaccounts", account())]), Err("Token has been invalidated".to_owned()));
    }

    #[test]
    fn foreign_issuers_are_refused() {
        let mut claims = token(None);
        claims["iss"] = "https://elsewhere".into();
        assert!(check(&claims, 1100, &[("serviceaccounts", account())]).is_err());
    }
}
