//! The Lease that chooses one of several instances.

use std::time::Duration;

use comity_api_kubefed::keys;
use comity_core::{GroupVersionResource, Value, object};
use comity_lane::client::{ClientError, ClusterClient};
use jiff::Timestamp;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

use super::election::{Election, Step};
use crate::StartError;

const NAME: &str = "comity-hub";
const MANAGER: &str = "comity";
/// Between two looks at the Lease, or two renewals of it.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// A leader that could not renew for so long stops, well before another may begin.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Whether this instance works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The Lease has not been read yet.
    Unknown,
    /// It works.
    Leading,
    /// Another instance works, or nobody does because the Lease cannot be written.
    Waiting {
        /// Who holds the Lease; empty when that is not known.
        holder: String,
    },
}

/// Takes part in the election until told that the work has ended; then gives the Lease back.
pub(super) struct Elector {
    pub client: ClusterClient,
    pub instance: String,
    pub standing: watch::Sender<Standing>,
    pub ended: oneshot::Receiver<()>,
}

impl Elector {
    pub(super) async fn run(mut self) {
        let client = self.client.with_timeout(Duration::from_secs(5));
        let mut election = Election::new(&self.instance);
        let mut renewed = Instant::now();
        loop {
            let asked = Instant::now();
            match round(&client, &mut election).await {
                Ok(Standing::Leading) => {
                    renewed = asked;
                    self.stand(Standing::Leading);
                }
                Ok(other) => self.stand(other),
                Err(error) => {
                    tracing::warn!(%error, "the Lease of the hub could not be read or written");
                    // nobody knows who leads: the present state holds for as long as the record is good
                    if *self.standing.borrow() == Standing::Leading && renewed.elapsed() >= GIVE_UP {
                        self.stand(Standing::Waiting { holder: String::new() });
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                _ = &mut self.ended => break,
            }
        }
        if let Err(error) = give_back(&client, &election).await {
            tracing::debug!(%error, "the Lease could not be given back; it runs out by itself");
        }
    }

    fn stand(&self, now: Standing) {
        self.standing.send_if_modified(|known| {
            let changed = *known != now;
            if changed {
                tracing::info!(standing = ?now, "election of the hub's instance");
                *known = now;
            }
            changed
        });
    }
}

/// The Lease of a hub at which nobody is at work, held for what must not be disturbed.
pub(crate) struct Hold {
    standing: watch::Receiver<Standing>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Hold {
    /// Takes the Lease. A holder that is gone is waited for until its record has run out; one that renews it is left alone.
    ///
    /// # Errors
    /// An instance is at work, or the Lease cannot be read or written. `name` is the hub's, for messages.
    pub(crate) async fn take(client: &ClusterClient, name: &str) -> Result<Self, StartError> {
        let instance = super::instance_name();
        let client = client.with_timeout(Duration::from_secs(5));
        let failed = |error: ClientError| StartError::component(name, "the Lease of the hub")(&error);
        let mut election = Election::new(&instance);
        let mut first: Option<String> = None;
        loop {
            let found = client.get(&leases(), keys::SYSTEM_NAMESPACE, NAME).await.map_err(failed)?;
            match round(&client, &mut election).await.map_err(failed)? {
                Standing::Leading => break,
                Standing::Waiting { holder } => {
                    let version = found.as_ref().map(object::resource_version).unwrap_or_default();
                    if first.as_deref().is_some_and(|first| first != version) {
                        return Err(StartError::Led { name: name.to_owned(), holder });
                    }
                    if first.is_none() {
                        tracing::warn!(holder, "the Lease of the hub is held; if its holder is gone, it runs out within 15 s");
                        first = Some(version.to_owned());
                    }
                }
                Standing::Unknown => {}
            }
            tokio::time::sleep(RETRY / 2).await;
        }
        let ((stand, standing), (end, ended)) = (watch::channel(Standing::Leading), oneshot::channel());
        let task = tokio::spawn(Elector { client, instance, standing: stand, ended }.run());
        Ok(Self { standing, end, task })
    }

    /// Whether it is still held.
    pub(crate) fn is_held(&self) -> bool {
        *self.standing.borrow() == Standing::Leading
    }

    /// Gives it back.
    pub(crate) async fn release(self) {
        let _ = self.end.send(());
        let _ = self.task.await;
    }
}

fn leases() -> GroupVersionResource {
    GroupVersionResource::new("coordination.k8s.io", "v1", "leases")
}

async fn round(client: &ClusterClient, election: &mut Election) -> Result<Standing, ClientError> {
    let lease = client.get(&leases(), keys::SYSTEM_NAMESPACE, NAME).await?;
    let written = match election.look(lease.as_ref(), Instant::now(), Timestamp::now()) {
        Step::Wait { holder } => return Ok(Standing::Waiting { holder }),
        Step::Make(mut lease) => {
            lease["metadata"] = comity_core::json!({"name": NAME, "namespace": keys::SYSTEM_NAMESPACE});
            client.create(&leases(), keys::SYSTEM_NAMESPACE, &lease, MANAGER).await
        }
        Step::Write(lease) => client.replace(&leases(), keys::SYSTEM_NAMESPACE, NAME, None, &lease, MANAGER).await,
    };
    match written {
        Ok(_) => Ok(Standing::Leading),
        // another one was faster: who, the next look says
        Err(error) if error.is_conflict() || error.is_already_exists() => Ok(Standing::Waiting { holder: holder(lease.as_ref()) }),
        Err(error) => Err(error),
    }
}

async fn give_back(client: &ClusterClient, election: &Election) -> Result<(), ClientError> {
    let lease = client.get(&leases(), keys::SYSTEM_NAMESPACE, NAME).await?;
    let Some(given) = lease.and_then(|lease| election.release(&lease, Timestamp::now())) else { return Ok(()) };
    client.replace(&leases(), keys::SYSTEM_NAMESPACE, NAME, None, &given, MANAGER).await.map(drop)
}

fn holder(lease: Option<&Value>) -> String {
    lease.map(|l| object::str_at(l, &["spec", "holderIdentity"]).to_owned()).unwrap_or_default()
}
