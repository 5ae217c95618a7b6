//! The federation domain on an embedded hub.

use comity_federation::{Config, Handle};

use crate::{StartError, embedded::Embedded, identities};

/// Federation, running.
pub(crate) struct Federation(Handle);

impl Federation {
    /// Makes what federation needs on the hub and starts its controllers, with an identity of their own.
    pub(crate) async fn start(hub: &Embedded) -> Result<Self, StartError> {
        // Definitions and type configurations are made with the administrator's rights: only at start, only what is missing.
        let prepared = comity_federation::bootstrap(&hub.admin()).await;
        prepared.map_err(|e| StartError::component("hub", "federation")(&e))?;
        let config = Config::new(hub.client(identities::federation()), hub.store().hub_id(), hub.store().epoch());
        Ok(Self(comity_federation::start(config)))
    }

    pub(crate) async fn stop(self) {
        self.0.shutdown().await;
    }
}
