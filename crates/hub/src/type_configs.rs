//! The type configurations as admission asks for them: by federated kind, read once for each state of them.

use std::{collections::HashMap, sync::Arc};

use comity_api_kubefed::{FederatedTypeConfig, keys};
use comity_core::GroupResource;
use comity_store::{Entry, Store};
use parking_lot::Mutex;

type ByFederatedKind = HashMap<GroupResource, Arc<FederatedTypeConfig>>;

/// A reader that keeps what it has read.
#[derive(Default)]
pub(crate) struct TypeConfigs {
    known: Mutex<(Option<State>, ByFederatedKind)>,
}

/// Tells two states of all configurations apart: whatever is made or changed has a newer revision, and what else is
/// removed makes them fewer.
type State = (usize, u64);

impl TypeConfigs {
    /// The configuration whose federated kind this is.
    pub(crate) fn of(&self, store: &Store, federated: &GroupResource) -> Option<Arc<FederatedTypeConfig>> {
        let resource = format!("{}/federatedtypeconfigs", keys::CORE_GROUP);
        let entries = store.list(&resource, Some(keys::SYSTEM_NAMESPACE)).entries;
        let state = (entries.len(), entries.iter().map(|entry| entry.rev).max().unwrap_or_default());
        let mut known = self.known.lock();
        if known.0 != Some(state) {
            *known = (Some(state), entries.iter().filter_map(|entry| read(entry)).collect());
        }
        known.1.get(federated).cloned()
    }
}

/// Unreadable ones govern nothing; the federation domain says what is wrong with them.
fn read(entry: &Entry) -> Option<(GroupResource, Arc<FederatedTypeConfig>)> {
    let config = FederatedTypeConfig::read(&entry.object()).ok()?;
    let federated = &config.spec.federated_type;
    Some((GroupResource::new(&federated.group, &federated.plural_name), Arc::new(config)))
}
