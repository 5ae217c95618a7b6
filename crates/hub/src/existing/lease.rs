//! The Lease that chooses one of several instances.

use std::time::Duration;

use comity_api_kubefed::keys;
use comity_core::{GroupVersionResource, Value, object};
use comity_lane::client::{ClientError, ClusterClient};
use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};

use super::election::{Election, Step};

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
    pub ended: tokio::sync::oneshot::Receiver<()>,
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
