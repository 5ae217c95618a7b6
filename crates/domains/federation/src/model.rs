//! What is seen and what is wanted: plain sorted values, the whole input of planning.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use comity_api_kubefed::{
    ApiResource,
    cluster::Labels,
    federated::{ClusterOverrides, Placement},
};
use comity_core::{GroupKind, Value};
use comity_fleet::Health;
use comity_lane::{Closed, Seen, Target, arbitrate::Adopt};
use comity_placement::{Labelled, NamespaceRule};
use comity_runtime::Cause;

/// Label that every copy of a federated object carries.
pub const MANAGED: &str = comity_core::labels::KUBEFED_MANAGED;
/// Field manager in members and on the hub.
pub const MANAGER: &str = "comity-federation";
/// Name of the domain in ownership marks.
pub const DOMAIN: &str = "federation";

/// One federated type, as its configuration describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedType {
    /// The copies.
    pub target: Arc<Target>,
    /// The federated kind on the hub.
    pub federated: ApiResource,
    /// The copies are namespaces.
    pub is_namespace: bool,
}

impl FederatedType {
    /// From a type configuration.
    pub fn of(config: &comity_api_kubefed::FederatedTypeConfig) -> Self {
        let (target, federated) = (&config.spec.target_type, &config.spec.federated_type);
        let owner_kind = GroupKind { group: federated.group.clone(), kind: federated.kind.clone() }.to_string();
        let target = Target {
            domain: DOMAIN,
            manager: MANAGER,
            owner_kind,
            gvr: target.gvr(),
            gvk: target.gvk(),
            namespaced: target.namespaced(),
            selector: format!("{MANAGED}=true"),
            keeps_status: config.collects_status(),
        };
        Self { target: Arc::new(target), federated: federated.clone(), is_namespace: config.is_namespace() }
    }

    /// Namespace and name of the copies of a federated object.
    pub fn copy_name<'a>(&self, namespace: &'a str, name: &'a str) -> (&'a str, &'a str) {
        if self.target.namespaced { (namespace, name) } else { ("", name) }
    }
}

/// Who plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// The hub's id.
    pub id: Arc<str>,
    /// The hub's epoch.
    pub epoch: u64,
}

/// Everything that is known when planning begins.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Who plans.
    pub hub: Hub,
    /// The type.
    pub kind: Arc<FederatedType>,
    /// The federated object.
    pub object: Arc<Value>,
    /// The joined members that the object concerns, by name: those that its placement names or selects, and those that hold
    /// a copy of it or may. Others may be there too and change nothing.
    pub members: BTreeMap<String, MemberSeen>,
    /// What the namespace says.
    pub namespace: NamespaceSeen,
    /// UID of the hub's namespace that a FederatedNamespace stands for: a member with it is the hub itself.
    pub hub_namespace_uid: String,
    /// KubeFed's `adoptResources`.
    pub adopt_by_default: bool,
    /// Why the object is being deleted, if it is: by itself, or with something that it lives in.
    pub deleted_by: Cause,
    /// After so long without an answer a member's copy is deleted later and not waited for.
    pub defer_after: Duration,
}

/// One member.
#[derive(Clone, Debug)]
pub struct MemberSeen {
    /// Labels that placements select by.
    pub labels: Arc<Labels>,
    /// Whether it answers.
    pub health: Health,
    /// For how long it has not.
    pub silent_for: Duration,
    /// The copy there.
    pub copy: Seen,
    /// Whether the member itself said that nothing of the owner's is there: a list alone may lack what exists.
    pub gone: bool,
    /// Why what is known of the copies there may no longer be so.
    pub behind: Option<String>,
    /// Where the last job stands.
    pub progress: Progress,
    /// Why the whole member is only read, if it is.
    pub closed: Option<Closed>,
    /// Whether an autoscaler there sets the copy's replicas.
    pub autoscaler: Autoscaler,
}

impl Labelled for MemberSeen {
    fn labels(&self) -> &Labels {
        &self.labels
    }
}

/// What is known of an autoscaler of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Autoscaler {
    /// None aims at the copy, or the member serves none.
    #[default]
    None,
    /// The one of this name does.
    Named(String),
    /// Nobody knows yet; the text says why where something stands in the way.
    Unread(String),
}

/// Where the last job of a copy stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to say.
    #[default]
    Idle,
    /// It waits or runs.
    Pending {
        /// Which job.
        fingerprint: u64,
        /// For so long.
        since: Duration,
    },
    /// It failed.
    Failed {
        /// Which job.
        fingerprint: u64,
        /// What the status says.
        fault: Fault,
        /// Time until the same job may be tried again.
        retry_in: Duration,
    },
}

/// Why one cluster's copy is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// KubeFed's status word, or one that Comity adds.
    pub status: &'static str,
    /// Machine-readable reason.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl Fault {
    /// A fault whose reason says more than the status word.
    pub fn new(status: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self { status, reason: reason.to_owned(), message: message.into() }
    }
}

/// What the namespace of a federated object says.
#[derive(Clone, Debug, PartialEq)]
pub enum NamespaceSeen {
    /// Nothing: the copies are not namespaced.
    None,
    /// There is a FederatedNamespace with this placement.
    Federated(Placement),
    /// There is none: the namespace follows the object, with these labels.
    Implicit(BTreeMap<String, String>),
    /// There is none, and KubeFed's behaviour to the letter was asked for.
    Strict,
}

/// The valid wish of a federated object.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The object for every cluster, before overrides.
    pub template: Value,
    /// Where it goes.
    pub placement: comity_placement::Placement,
    /// What its namespace allows.
    pub namespace: NamespaceRule,
    /// What differs by cluster.
    pub overrides: Vec<ClusterOverrides>,
    /// `spec.replicas` belongs to the member.
    pub retain_replicas: bool,
    /// What happens with unmanaged objects of the same name.
    pub adopt: Adopt,
    /// How copies are deleted.
    pub deletion: Deletion,
    /// What others add to copies stays even where nothing may be added.
    pub keep_additions: bool,
}

/// How copies are deleted.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Options of every delete.
    pub options: comity_lane::DeleteOptions,
    /// The copies stay and lose their marks.
    pub orphan: bool,
    /// What is done about members that do not answer.
    pub unreachable: OnUnreachable,
    /// The annotation that the options were read from, for the record of a deletion that comes later.
    pub written: String,
}

/// What a deletion does about a member that does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnreachable {
    /// It waits.
    #[default]
    Wait,
    /// After a while the deletion is remembered, and the owner goes.
    Defer,
    /// The copy stays where it is.
    Orphan,
}

impl Default for Deletion {
    /// Dependents go in the background: left to themselves, the pods of a Job would stay.
    fn default() -> Self {
        let options = comity_lane::DeleteOptions { propagation: Some(comity_lane::Propagation::Background), ..Default::default() };
        Self { options, orphan: false, unreachable: OnUnreachable::Wait, written: String::new() }
    }
}
