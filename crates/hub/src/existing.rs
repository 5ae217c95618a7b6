//! A hub on a Kubernetes that exists already: its API server and store are the hub's, and Comity runs beside it as a client.
//!
//! Several instances may run; a Lease chooses the one that works. Id and epoch of the hub are kept in a ConfigMap.

mod election;
mod identity;
mod lease;
pub mod policy;

use std::time::Duration;

use comity_api_kubefed::keys;
use comity_core::{GroupVersionResource, Value, object};
use comity_federation::{Config, Handle};
use comity_lane::client::{ClientError, ClusterClient};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{StartError, federation::follow_groups};
pub use identity::Identity;
pub(crate) use identity::{exists as is_hub, read_or_make as identity, write as identify};
pub(crate) use lease::Hold;
pub use lease::Standing;

/// How long the first look at the Lease may take.
const FIRST_LOOK: Duration = Duration::from_secs(30);

/// How a hub is run on an existing Kubernetes.
#[derive(Clone)]
pub struct Options {
    /// Its API, with the rights that Comity has there.
    pub client: ClusterClient,
    /// A name for it in messages.
    pub name: String,
    /// Name of this instance among others; one that nobody else has.
    pub instance: String,
    /// Whether writers of federated objects need rights on the kinds of the templates.
    pub guard_templates: bool,
}

/// A running instance.
pub struct ExistingHub {
    identity: Identity,
    standing: watch::Receiver<Standing>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    rules: Option<JoinHandle<()>>,
}

/// Makes what federation needs there and joins the election; returns when it is known who leads.
///
/// # Errors
/// The cluster does not answer, refuses something that is needed, or is too old for the rule about templates.
pub async fn start(options: Options) -> Result<ExistingHub, StartError> {
    let failed = |what| StartError::component(&options.name, what);
    let hub = options.client.clone();
    comity_federation::bootstrap(&hub).await.map_err(|e| failed("preparing federation")(&e))?;
    let identity = identity::read_or_make(&hub).await.map_err(|e| failed("the hub's identity")(&e))?;
    let rules = if options.guard_templates { Some(guard_templates(&options).await?) } else { None };
    let stop = CancellationToken::new();
    let (stand, mut standing) = watch::channel(Standing::Unknown);
    let (end, ended) = oneshot::channel();
    let elector = lease::Elector { client: hub.clone(), instance: options.instance.clone(), standing: stand, ended };
    let election = tokio::spawn(elector.run());
    let work = tokio::spawn(work(hub, standing.clone(), stop.clone(), end));
    let running = ExistingHub { identity, standing: standing.clone(), stop, tasks: vec![work, election], rules };
    let first = tokio::time::timeout(FIRST_LOOK, standing.wait_for(|s| *s != Standing::Unknown)).await;
    if first.is_err() {
        let error = failed("the Lease of the hub")(&"it could be neither read nor written in time; the log says why");
        running.stop(Duration::from_secs(1)).await;
        return Err(error);
    }
    Ok(running)
}

impl ExistingHub {
    /// Who the hub is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether this instance leads, and its changes.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Lets rounds in work finish, then hands the Lease over; both within the deadline.
    pub async fn stop(self, deadline: Duration) {
        self.stop.cancel();
        if let Some(rules) = &self.rules {
            rules.abort();
        }
        let ends = async {
            for task in self.tasks {
                let _ = task.await;
            }
        };
        if tokio::time::timeout(deadline, ends).await.is_err() {
            tracing::warn!("rounds in work did not end in time; the Lease runs out by itself");
        }
    }
}

/// Federates while this instance leads. Told to stop, it ends the election after the last round.
async fn work(hub: ClusterClient, mut standing: watch::Receiver<Standing>, stop: CancellationToken, end: oneshot::Sender<()>) {
    while stands(&mut standing, &stop, |now| *now == Standing::Leading).await {
        let Some(federation) = begin(&hub).await else {
            tokio::time::sleep(lease::RETRY).await;
            continue;
        };
        if stands(&mut standing, &stop, |now| *now != Standing::Leading).await {
            // somebody else may work already: nothing is waited for
            drop(federation);
        } else {
            federation.shutdown().await;
        }
    }
    // the elector may have ended by itself
    let _ = end.send(());
}

/// Waits for a standing; `false` when it is time to stop.
async fn stands(standing: &mut watch::Receiver<Standing>, stop: &CancellationToken, wanted: impl FnMut(&Standing) -> bool) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        reached = standing.wait_for(wanted) => reached.is_ok(),
    }
}

/// The identity is read again: while another instance led, the hub may have been recovered.
async fn begin(hub: &ClusterClient) -> Option<Handle> {
    match identity::read_or_make(hub).await {
        Ok(identity) => {
            if let Err(error) = comity_federation::bootstrap::announce(hub, &identity.hub_id, identity.epoch).await {
                tracing::warn!(%error, "the hub's identity could not be written on its system namespace; `comity plan` and `comity release` need it");
            }
            Some(comity_federation::start(Config::new(hub.clone(), &identity.hub_id, identity.epoch)))
        }
        Err(error) => {
            tracing::warn!(error, "the hub's identity cannot be read; nothing is federated until it can");
            None
        }
    }
}

/// Installs the rule and keeps the groups that it covers up to date.
async fn guard_templates(options: &Options) -> Result<JoinHandle<()>, StartError> {
    let failed = StartError::component(&options.name, "the rule that who writes a template must be allowed to write its kind");
    let hub = options.client.clone();
    let me = own_name(&hub).await.map_err(|e| failed(&e))?;
    let install = move |groups| {
        let (hub, me) = (hub.clone(), me.clone());
        async move { policy::install(&hub, &groups, &me).await }
    };
    // every group from the start: a restart must not leave any of them open for a moment
    let types = comity_federation::survey::types(&options.client).await.map_err(|e| failed(&e))?;
    let groups = types.into_iter().map(|config| config.spec.federated_type.group).chain([keys::TYPES_GROUP.to_owned()]);
    install(groups.collect()).await.map_err(|error| match &error {
        ClientError::Api(status) if status.code == 404 => failed(
            &"this Kubernetes has no ValidatingAdmissionPolicies (v1, since 1.30); to run without the rule: --template-authority=off",
        ),
        ClientError::Api(status) if status.code == 403 => failed(&format!(
            "{error}; give the right, or have an administrator start once, or run without the rule: --template-authority=off"
        )),
        other => failed(other),
    })?;
    Ok(tokio::spawn(follow_groups(options.client.clone(), install)))
}

/// The user that the hub takes this client for.
async fn own_name(hub: &ClusterClient) -> Result<String, ClientError> {
    let reviews = GroupVersionResource::new("authentication.k8s.io", "v1", "selfsubjectreviews");
    let ask = comity_core::json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer: Value = hub.create(&reviews, "", &ask, "comity").await?;
    Ok(object::str_at(&answer, &["status", "userInfo", "username"]).to_owned())
}

/// A name for an instance that no other one has.
pub fn instance_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "comity" } else { host };
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{host}_{}", random.get(..8).unwrap_or(&random))
}
