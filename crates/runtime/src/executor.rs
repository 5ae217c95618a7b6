//! The one place where plans become requests.
//!
//! A plan is a list of [`Action`]s, a closed set. Writes to members go to the member's lane and are not waited for: the
//! lane tells its outcome through the index that the next plan reads. The guard is asked about every deletion. Writes to
//! the hub are carried out here. Effects outside of Kubernetes get their own closed set with the first domain that has one.

mod cause;
pub mod guard;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use comity_core::{GroupVersionKind, GroupVersionResource, Value, json, object};
use comity_fleet::{Fleet, Member};
use comity_lane::{ClientError, ClusterClient, Copies, Job, PatchKind, Urgency};

use crate::{
    events::{EventKind, EventRecorder},
    key::Key,
};

pub use cause::{Cascade, Cause, Remaining};
pub use guard::{Guard, Held, Stop};

/// One step of a plan.
#[derive(Clone, Debug)]
pub enum Action {
    /// The finalizers of an object on the hub, planned on a state of it.
    Finalizers {
        /// The object.
        object: Arc<Value>,
        /// All finalizers that it should have.
        finalizers: Vec<String>,
    },
    /// The status of an object on the hub.
    Status {
        /// The object.
        object: Arc<Value>,
        /// Its whole status.
        status: Value,
    },
    /// An event about an object on the hub.
    Event {
        /// The object.
        object: Arc<Value>,
        /// Whether it is a warning.
        kind: EventKind,
        /// Machine-readable reason.
        reason: String,
        /// For people.
        message: String,
    },
}

/// All writes to members that one owner's plan asks for: together, as the guard judges them together.
#[derive(Clone, Debug)]
pub struct CopyRound {
    /// The owner.
    pub owner: Arc<Value>,
    /// Clusters that hold a copy of it now.
    pub copies: usize,
    /// Clusters in which its stored status says [`guard::LEAVES_TOO_MANY`], if it was not edited since.
    pub held_before: BTreeSet<String>,
    /// The writes.
    pub actions: Vec<CopyAction>,
}

/// A write to one member.
#[derive(Clone, Debug)]
pub struct CopyAction {
    /// The member.
    pub cluster: String,
    /// Namespace of the copy.
    pub namespace: String,
    /// Name of the copy.
    pub name: String,
    /// What is wanted.
    pub job: Job,
    /// How urgent it is.
    pub urgency: Urgency,
    /// What it follows from.
    pub cause: Cause,
}

/// What came of an action on the hub.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Handed over, or done; the hub's answer where there is one.
    Done(Option<Value>),
    /// The hub refused or did not answer.
    Failed(ClientError),
}

/// Carries out the actions of one kind of owners.
#[derive(Clone)]
pub struct Executor {
    /// The hub.
    pub hub: ClusterClient,
    /// The members.
    pub fleet: Fleet,
    /// Judges deletions; all executors of a hub share one.
    pub guard: Arc<Guard>,
    /// Tells events.
    pub recorder: EventRecorder,
    /// Resource of the owners on the hub.
    pub owner: GroupVersionResource,
    /// Kind of the owners.
    pub owner_gvk: GroupVersionKind,
    /// Kind of the owners as marks write it; names the indexes.
    pub owner_kind: String,
    /// Field manager on the hub.
    pub manager: &'static str,
}

impl Executor {
    /// Carries out one action.
    pub async fn run(&self, action: Action) -> Outcome {
        match action {
            Action::Finalizers { object, finalizers } => self.finalizers(&object, &finalizers).await,
            Action::Status { object, status } => self.status(&object, &status).await,
            Action::Event { object, kind, reason, message } => {
                self.recorder.record(&object, kind, &reason, &message);
                Outcome::Done(None)
            }
        }
    }

    /// Hands the writes to the members' lanes, and returns what the guard keeps back, by member.
    ///
    /// A round without writes is one too: what it no longer asks for is held no longer.
    pub fn copies(&self, round: CopyRound) -> Vec<(String, Stop)> {
        let owner = Key::of_kind(&self.owner_kind, object::namespace(&round.owner), object::name(&round.owner));
        let mut stopped: BTreeMap<usize, Stop> = self.guard.check(&self.fleet, &owner, &round).into_iter().collect();
        let mut back = Vec::new();
        for (place, action) in round.actions.into_iter().enumerate() {
            match stopped.remove(&place) {
                Some(stop) => back.push((action.cluster, stop)),
                None => {
                    if let Some((member, copies)) = self.index(&action.cluster) {
                        member.lane.submit(&copies, &action.namespace, &action.name, action.job, action.urgency);
                    }
                }
            }
        }
        back
    }

    fn index(&self, cluster: &str) -> Option<(Arc<Member>, Arc<Copies>)> {
        let member = self.fleet.member(cluster)?;
        let copies = member.copies(&self.owner_kind)?;
        Some((member, copies))
    }

    /// A merge patch that only the planned state takes.
    async fn finalizers(&self, owner: &Value, finalizers: &[String]) -> Outcome {
        let patch = json!({"metadata": {
            "uid": object::uid(owner), "resourceVersion": object::resource_version(owner), "finalizers": finalizers,
        }});
        self.patch(owner, None, PatchKind::Merge, &patch).await
    }

    async fn status(&self, owner: &Value, status: &Value) -> Outcome {
        let body = json!({
            "apiVersion": self.owner_gvk.api_version(), "kind": self.owner_gvk.kind,
            "metadata": {"name": object::name(owner), "namespace": object::namespace(owner), "uid": object::uid(owner)},
            "status": status,
        });
        self.patch(owner, Some("status"), PatchKind::Apply { force: true }, &body).await
    }

    async fn patch(&self, owner: &Value, subresource: Option<&str>, kind: PatchKind, body: &Value) -> Outcome {
        let (namespace, name) = (object::namespace(owner), object::name(owner));
        let mut body = body.clone();
        if namespace.is_empty() {
            object::remove(&mut body, &["metadata", "namespace"]);
        }
        match self.hub.patch(&self.owner, namespace, name, subresource, kind, &body, self.manager, false).await {
            Ok(answer) => Outcome::Done(Some(answer)),
            Err(error) => Outcome::Failed(error),
        }
    }
}
