//! Keeps the `rules` of aggregated ClusterRoles as their selectors select. Decisions do not wait for it.

use std::collections::BTreeMap;

use comity_core::{Value, object};
use comity_store::{Expect, WatchError};

use super::aggregate;
use crate::cx::Cx;

const STORED: &str = "rbac.authorization.k8s.io/clusterroles";

/// Runs until the server stops.
pub async fn run(cx: Cx) {
    loop {
        let listing = cx.store.list(STORED, None);
        let watched = cx.store.watch(STORED, listing.rev);
        write_all(&cx).await;
        let Ok(mut cursor) = watched else { continue };
        loop {
            let batch = tokio::select! {
                batch = cursor.next_batch() => batch,
                () = cx.stopping.cancelled() => return,
            };
            match batch {
                Ok(_) => write_all(&cx).await,
                Err(WatchError::Closed) => return,
                Err(_) => break,
            }
        }
    }
}

/// Writes every role whose rules are not what they should be; what changes meanwhile comes again as an event.
pub async fn write_all(cx: &Cx) {
    let entries = cx.store.list(STORED, None).entries;
    let roles: Vec<Value> = entries.iter().map(|entry| entry.body.parse(entry.rev)).collect();
    let gathered: BTreeMap<String, Vec<Value>> = aggregate::rules(&roles.iter().collect::<Vec<_>>());
    for (entry, mut role) in entries.iter().zip(roles) {
        let Some(rules) = gathered.get(object::name(&role)) else { continue };
        if object::items_at(&role, &["rules"]) == rules.as_slice() {
            continue;
        }
        object::set(&mut role, &["rules"], Value::Array(rules.clone()));
        if let Err(error) = cx.store.put(entry.key.clone(), Expect::Rev(entry.rev), &role).await {
            tracing::debug!(role = object::name(&role), %error, "an aggregated ClusterRole will be written on its next change");
        }
    }
}
