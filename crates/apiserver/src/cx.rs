//! The server's shared state, as handlers see it.

use std::{ops::Deref, sync::Arc};

use comity_store::Store;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::{self, Admission},
    authn, authz, boot,
    config::{Config, StartError},
    crd, discovery,
    frame::limits::InFlight,
    kinds::service,
    registry::LiveRegistry,
    streams::PodStreams,
};

/// A cheap handle to one API server.
#[derive(Clone)]
pub struct Cx(Arc<Server>);

/// Everything one API server consists of.
pub struct Server {
    /// Its name, for messages.
    pub name: String,
    /// Its objects.
    pub store: Store,
    /// Its resources.
    pub registry: LiveRegistry,
    /// Admission plugins in their order.
    pub admission: Vec<Arc<dyn Admission>>,
    /// Where pods run, if anywhere.
    pub pod_streams: Option<Arc<dyn PodStreams>>,
    /// State of authentication.
    pub authn: authn::State,
    /// State of authorization.
    pub authz: authz::State,
    /// Settings of the first objects.
    pub boot: boot::State,
    /// State of discovery and OpenAPI.
    pub discovery: discovery::State,
    /// State of custom resource definitions.
    pub crd: crd::State,
    /// Cluster addresses and node ports.
    pub services: service::Allocator,
    /// Requests being served.
    pub in_flight: InFlight,
    /// Cancelled when the server stops: watches end.
    pub stopping: CancellationToken,
}

impl Cx {
    /// Puts the state together; nothing is running yet.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(config: Config) -> Result<Self, StartError> {
        let services = service::Allocator::new(&config.service_cidr, &config.store).map_err(StartError::Setting)?;
        Ok(Self(Arc::new(Server {
            services,
            authn: authn::State::new(&config),
            authz: authz::State::new(&config),
            boot: boot::State::new(&config),
            discovery: discovery::State::new(&config),
            crd: crd::State::new(&config),
            in_flight: InFlight::new(config.max_reading, config.max_mutating),
            registry: LiveRegistry::new(),
            admission: config.first_admission.into_iter().chain(admission::builtin()).chain(config.admission).collect(),
            pod_streams: config.pod_streams,
            name: config.name,
            store: config.store,
            stopping: CancellationToken::new(),
        })))
    }

    /// The time that goes into timestamps.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// The present time as objects carry it.
    pub fn now_text(&self) -> String {
        comity_core::time::rfc3339(self.now())
    }
}

impl Deref for Cx {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}
