//! Secrets of type `kubernetes.io/service-account-token`: the server fills them as soon as their service account exists.

use async_trait::async_trait;
use base64::Engine as _;
use comity_core::{Status, Value, object};
use comity_store::{Entry, Expect};

use super::service_account::{SECRET_ACCOUNT, SECRET_ACCOUNT_UID, SECRET_TYPE, secret_claims};
use crate::{
    cx::Cx,
    kinds::{Change, KindHooks, Operation},
};

/// The hooks of ServiceAccounts: Secrets that waited for one are filled.
pub struct AccountHooks;

/// Fills a new token Secret whose service account exists.
///
/// # Errors
/// The server has no key for tokens.
pub fn prepare(change: &Change<'_>, new: &mut Value) -> Result<(), Status> {
    if change.operation != Operation::Create || change.dry_run || !wants_token(new) {
        return Ok(());
    }
    let account = object::annotation(new, SECRET_ACCOUNT).unwrap_or("");
    if let Some(account) = change.cx.authn.stored(change.cx, "serviceaccounts", change.namespace, account) {
        fill(change.cx, new, &account)?;
    }
    Ok(())
}

#[async_trait]
impl KindHooks for AccountHooks {
    async fn stored(&self, cx: &Cx, new: Option<&Value>, old: Option<&Value>) {
        let (Some(account), None) = (new, old) else { return };
        let waiting = cx.store.list("secrets", Some(object::namespace(account))).entries;
        for entry in waiting {
            if let Err(status) = fill_stored(cx, &entry, account).await {
                tracing::warn!(secret = %entry.key, error = %status, "a service account token Secret could not be filled");
            }
        }
    }
}

async fn fill_stored(cx: &Cx, entry: &Entry, account: &Value) -> Result<(), Status> {
    let mut secret = entry.body.parse(entry.rev);
    if !wants_token(&secret) || object::annotation(&secret, SECRET_ACCOUNT) != Some(object::name(account)) {
        return Ok(());
    }
    fill(cx, &mut secret, account)?;
    // Whoever wrote the Secret in between decides; a conflict is no failure.
    drop(cx.store.put(entry.key.clone(), Expect::Rev(entry.rev), &secret).await);
    Ok(())
}

/// Whether a Secret is for a token and lacks a part of it.
fn wants_token(secret: &Value) -> bool {
    object::str_at(secret, &["type"]) == SECRET_TYPE
        && ["token", "ca.crt", "namespace"].iter().any(|key| object::str_at(secret, &["data", key]).is_empty())
}

fn fill(cx: &Cx, secret: &mut Value, account: &Value) -> Result<(), Status> {
    let token = cx.authn.sign(&secret_claims(account, object::name(secret)))?;
    let parts = [("ca.crt", cx.authn.server_ca.as_str()), ("namespace", object::namespace(account)), ("token", token.as_str())];
    for (key, text) in parts {
        if object::str_at(secret, &["data", key]).is_empty() {
            object::set(secret, &["data", key], base64::engine::general_purpose::STANDARD.encode(text).into());
        }
    }
    object::set(secret, &["metadata", "annotations", SECRET_ACCOUNT_UID], object::uid(account).into());
    Ok(())
}
