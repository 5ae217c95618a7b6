//! Reads what hub and members have, for recovery and for lists of what has no owner. Decides nothing.

use std::{collections::BTreeMap, time::Duration};

use comity_api_kubefed::{FederatedTypeConfig, keys, type_config};
use comity_core::{GroupVersionResource, labels, object};
use comity_lane::{ClientError, ClusterClient, ListOptions};

use crate::recovery::TypeSeen;

/// A member that does not answer within this is left out, and said to be.
const PATIENCE: Duration = Duration::from_secs(10);

/// A member by name: a client, or why there is none.
pub type Members = BTreeMap<String, Result<ClusterClient, String>>;

/// The members that a hub knows.
///
/// # Errors
/// The hub refused, or did not answer.
pub async fn members(hub: &ClusterClient) -> Result<Members, ClientError> {
    let system = Some(keys::SYSTEM_NAMESPACE);
    let clusters = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, "kubefedclusters");
    let clusters = hub.list(&clusters, system, &ListOptions::default()).await?.items;
    let secrets = GroupVersionResource::new("", "v1", "secrets");
    let mut members = Members::new();
    for cluster in &clusters {
        let name = object::str_at(cluster, &["spec", "secretRef", "name"]);
        let secret = if name.is_empty() { None } else { hub.get(&secrets, keys::SYSTEM_NAMESPACE, name).await? };
        let client = comity_fleet::client_of(cluster, secret.as_ref()).map(|client| client.with_timeout(PATIENCE));
        members.insert(object::name(cluster).to_owned(), client);
    }
    Ok(members)
}

/// Id and epoch of a hub, as it tells them on its system namespace.
///
/// # Errors
/// The hub refused, did not answer, or never ran with a version that tells.
pub async fn identity(hub: &ClusterClient) -> Result<(String, u64), ClientError> {
    let namespaces = GroupVersionResource::new("", "v1", "namespaces");
    let system = hub.get(&namespaces, "", keys::SYSTEM_NAMESPACE).await?.unwrap_or_default();
    let told = |key: &str| object::annotation(&system, key);
    match (told(keys::HUB_ID), told(keys::HUB_EPOCH).and_then(|epoch| epoch.parse().ok())) {
        (Some(id), Some(epoch)) => Ok((id.to_owned(), epoch)),
        _ => Err(ClientError::Malformed(format!(
            "the namespace {} has no annotations {} and {}: has this hub been started with this version?",
            keys::SYSTEM_NAMESPACE,
            keys::HUB_ID,
            keys::HUB_EPOCH
        ))),
    }
}

/// The types that a hub has, enabled or not.
///
/// # Errors
/// The hub refused, or did not answer.
pub async fn types(hub: &ClusterClient) -> Result<Vec<FederatedTypeConfig>, ClientError> {
    let configs = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, type_config::PLURAL);
    let configs = hub.list(&configs, Some(keys::SYSTEM_NAMESPACE), &ListOptions::default()).await?.items;
    Ok(configs.iter().filter_map(|config| FederatedTypeConfig::read(config).ok()).collect())
}

/// What hub and members have of every type, and the members that could not be read, with the reason.
///
/// # Errors
/// The hub refused, or did not answer.
pub async fn read(hub: &ClusterClient, members: &Members) -> Result<(Vec<TypeSeen>, BTreeMap<String, String>), ClientError> {
    let mut unread = BTreeMap::new();
    let mut seen = Vec::new();
    for config in types(hub).await? {
        let owners = match hub.list(&config.spec.federated_type.gvr(), None, &ListOptions::default()).await {
            Ok(list) => list.items,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        let mut copies = BTreeMap::new();
        let target = config.spec.target_type.gvr();
        let marked = ListOptions { label_selector: labels::HUB.to_owned(), ..ListOptions::default() };
        let asked = members.iter().filter(|(name, _)| !unread.contains_key(*name)).map(async |(name, client)| {
            let listed = match client {
                Ok(client) => client.list(&target, None, &marked).await.map(|list| list.items).or_else(|error| {
                    // a kind that is not served has no copies
                    if error.is_not_found() { Ok(Vec::new()) } else { Err(error.to_string()) }
                }),
                Err(why) => Err(why.clone()),
            };
            (name.clone(), listed)
        });
        for (name, listed) in futures::future::join_all(asked).await {
            match listed {
                Ok(items) => drop(copies.insert(name, items)),
                Err(why) => drop(unread.insert(name, why)),
            }
        }
        seen.push(TypeSeen { config, owners, copies });
    }
    Ok((seen, unread))
}
