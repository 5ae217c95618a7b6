//! The hub that is recovered, held so that nobody else works on it meanwhile.

use std::{path::PathBuf, time::Duration};

use comity_core::{Value, json};
use comity_lane::client::{ClientError, ClusterClient};
use comity_store::EncryptionKeys;

use super::{MANAGER, Place};
use crate::{
    StartError, admission,
    embedded::{Embedded, Storage},
    existing::{self, Hold, Identity},
    layout::{Layout, ServerRole},
};

/// For requests that are being served when the hub is closed again: there are none but our own.
const DRAIN: Duration = Duration::from_secs(1);

pub(super) enum Held {
    /// The folder is locked, and its API server runs in this process alone.
    Folder { hub: Box<Embedded>, store: PathBuf, keys: Option<EncryptionKeys>, layout: Layout },
    /// The Lease that chooses one of several instances is this process's.
    Existing { client: ClusterClient, identity: Identity, hold: Hold },
}

impl Held {
    /// A hub that does not exist is made only where members are named from which it can be filled.
    pub(super) async fn take(place: Place, may_be_new: bool) -> Result<Self, StartError> {
        match place {
            Place::Folder { data_dir, encryption } => Self::folder(data_dir, encryption, may_be_new).await,
            Place::Existing { client, name } => Self::existing(client, &name, may_be_new).await,
        }
    }

    async fn folder(data_dir: PathBuf, keys: Option<EncryptionKeys>, may_be_new: bool) -> Result<Self, StartError> {
        let failed = StartError::component("hub", "recovery");
        let store = data_dir.join("hub/store");
        if !store.exists() && !may_be_new {
            return Err(failed(&format!("{} holds no hub; give its folder with --data-dir", data_dir.display())));
        }
        let layout = Layout::open(&data_dir, false)?;
        let plugins = admission::plugins();
        let folder = layout.server(&ServerRole::Hub);
        let storage = Storage { encryption: keys.clone(), ..Storage::default() };
        let nowhere = ([127, 0, 0, 1], 0).into();
        let hub = Embedded::start(ServerRole::Hub, &folder, nowhere, plugins, storage, std::sync::Arc::new(|_| {})).await?;
        let held = Self::Folder { hub: Box::new(hub), store, keys, layout };
        match comity_federation::bootstrap(&held.admin()).await {
            Ok(()) => Ok(held),
            Err(error) => {
                held.release().await;
                Err(failed(&format!("the hub's own objects: {error}")))
            }
        }
    }

    async fn existing(client: ClusterClient, name: &str, may_be_new: bool) -> Result<Self, StartError> {
        let failed = |why: &dyn std::fmt::Display| StartError::component(name, "recovery")(why);
        // a cluster that was named by mistake stays as it is
        if !may_be_new && !existing::is_hub(&client).await.map_err(|e| failed(&e))? {
            return Err(failed(&"no hub: there is no ConfigMap kube-federation-system/comity-hub; choose its context with --context"));
        }
        comity_federation::bootstrap(&client).await.map_err(|e| failed(&e))?;
        let hold = Hold::take(&client, name).await?;
        match existing::identity(&client).await {
            Ok(identity) => Ok(Self::Existing { client, identity, hold }),
            Err(why) => {
                hold.release().await;
                Err(failed(&why))
            }
        }
    }

    /// A client with all rights on the hub.
    pub(super) fn admin(&self) -> ClusterClient {
        match self {
            Self::Folder { hub, .. } => hub.admin(),
            Self::Existing { client, .. } => client.clone(),
        }
    }

    /// Who the hub is.
    pub(super) fn identity(&self) -> Identity {
        match self {
            Self::Folder { hub, .. } => Identity { hub_id: hub.store().hub_id().to_owned(), epoch: hub.store().epoch() },
            Self::Existing { identity, .. } => identity.clone(),
        }
    }

    /// Under which name the hub holds its Leases in members.
    pub(super) fn instance(&self, hub_id: &str) -> String {
        match self {
            Self::Folder { layout, .. } => crate::instance::of(layout.root()),
            Self::Existing { .. } => hub_id.to_owned(),
        }
    }

    /// Makes a federated object; on a Kubernetes that exists its namespace too, which an embedded hub makes by itself.
    pub(super) async fn make(&self, gvr: &comity_core::GroupVersionResource, object: &Value) -> Result<(), ClientError> {
        let (admin, namespace) = (self.admin(), comity_core::object::namespace(object));
        let mut made = admin.create(gvr, namespace, object, MANAGER).await;
        if made.as_ref().is_err_and(ClientError::is_not_found) && !namespace.is_empty() {
            let namespaces = comity_core::GroupVersionResource::new("", "v1", "namespaces");
            let absent = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            admin.create(&namespaces, "", &absent, MANAGER).await?;
            made = admin.create(gvr, namespace, object, MANAGER).await;
        }
        match made {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets go of it.
    pub(super) async fn release(self) {
        match self {
            Self::Folder { hub, .. } => hub.stop(DRAIN).await,
            Self::Existing { hold, .. } => hold.release().await,
        }
    }

    /// Gives the hub its id and epoch and lets go of it.
    pub(super) async fn identify(self, id: String, epoch: u64) -> Result<(), String> {
        match self {
            Self::Folder { hub, store, keys, layout } => {
                hub.stop(DRAIN).await;
                let identified = tokio::task::spawn_blocking(move || comity_store::identify(&store, keys, &id, epoch)).await;
                drop(layout);
                identified.map_err(|e| e.to_string())?.map(drop).map_err(|e| e.to_string())
            }
            Self::Existing { client, identity, hold } => {
                let written = if hold.is_held() {
                    existing::identify(&client, &identity, &Identity { hub_id: id, epoch }).await
                } else {
                    Err("the Lease of the hub was lost to another instance; stop it and run the recovery again".to_owned())
                };
                hold.release().await;
                written
            }
        }
    }
}
