//! The federation domain on an embedded hub.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use comity_api_kubefed::{FederatedTypeConfig, keys, type_config};
use comity_core::GroupVersionResource;
use comity_federation::{Config, Handle};
use comity_lane::{
    cache::{Cache, CacheEvent, Interest},
    client::{ClientError, ClusterClient},
};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{StartError, embedded::Embedded, identities, instance};

/// Federation, running.
pub(crate) struct Federation {
    handle: Handle,
    rights: JoinHandle<()>,
}

impl Federation {
    /// Makes what federation needs on the hub and starts its controllers, with an identity of their own.
    pub(crate) async fn start(hub: &Embedded, folder: &Path) -> Result<Self, StartError> {
        // Definitions and type configurations are made with the administrator's rights: only at start, only what is missing.
        let prepared = comity_federation::bootstrap(&hub.admin()).await;
        prepared.map_err(|e| StartError::component("hub", "federation")(&e))?;
        let (id, epoch) = (hub.store().hub_id(), hub.store().epoch());
        let announced = comity_federation::bootstrap::announce(&hub.admin(), id, epoch).await;
        announced.map_err(|e| StartError::component("hub", "federation")(&e))?;
        let admin = hub.admin();
        identities::grant_records(&admin).await.map_err(|e| StartError::component("hub", "federation")(&e))?;
        let grant = move |groups| {
            let admin = admin.clone();
            async move { identities::grant_federation(&admin, &groups).await }
        };
        let rights = tokio::spawn(follow_groups(hub.admin(), grant));
        let mut config = Config::new(hub.client(identities::federation()), id, epoch);
        config.instance = instance::of(folder);
        Ok(Self { handle: comity_federation::start(config), rights })
    }

    pub(crate) async fn stop(self) {
        self.rights.abort();
        self.handle.shutdown().await;
    }
}

/// Federated kinds may be enabled in any group (`kubefedctl enable --federated-group`); what is made for each group follows.
///
/// `apply` gets all groups; one that failed is tried again with the next change.
pub(crate) async fn follow_groups<A, F>(hub: ClusterClient, apply: A)
where
    A: Fn(BTreeSet<String>) -> F + Send,
    F: Future<Output = Result<(), ClientError>> + Send,
{
    let configs = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, type_config::PLURAL);
    let interest = Interest { namespace: Some(keys::SYSTEM_NAMESPACE.to_owned()), ..Interest::all(configs) };
    let (changed, mut changes) = mpsc::unbounded_channel();
    let on_event = move |_: &CacheEvent| {
        // The receiver lives as long as the cache.
        let _ = changed.send(());
    };
    let cache = Cache::start(hub, interest, Arc::new(on_event));
    let mut applied = BTreeSet::from([keys::TYPES_GROUP.to_owned()]);
    while changes.recv().await.is_some() {
        let configs = cache.list();
        let named = configs.iter().filter_map(|c| FederatedTypeConfig::read(c).ok()).map(|c| c.spec.federated_type.group);
        let groups: BTreeSet<String> = applied.iter().cloned().chain(named).collect();
        if groups == applied {
            continue;
        }
        match apply(groups.clone()).await {
            Ok(()) => applied = groups,
            Err(error) => tracing::warn!(%error, ?groups, "what the hub keeps for each group of federated kinds could not be extended"),
        }
    }
}
