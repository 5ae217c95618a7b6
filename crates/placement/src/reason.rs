//! Why a cluster is chosen or left out.

use serde::Serialize;

/// The name is the machine-readable reason, the display text is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Reason {
    /// The placement lists the cluster.
    Named,
    /// The cluster's labels match the placement's selector.
    Selected,
    /// The placement's selector is empty and takes every cluster.
    AllClusters,
    /// The placement lists other clusters.
    NotNamed,
    /// The placement's list is empty.
    NobodyNamed,
    /// The cluster's labels do not match the placement's selector.
    NotSelected,
    /// The placement has neither list nor selector.
    NoPlacement,
    /// The namespace's own placement leaves the cluster out.
    NamespaceNotPlaced,
    /// The namespace is not federated, and it would have to be.
    NamespaceNotFederated,
    /// The namespace is one that is never federated.
    NamespaceReserved,
    /// The placement lists a cluster that is not joined.
    ClusterNotJoined,
}

impl Reason {
    /// The word for conditions, events and metrics.
    pub fn code(self) -> String {
        format!("{self:?}")
    }

    /// One line for people.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Named => "the placement lists this cluster",
            Reason::Selected => "the cluster's labels match the placement's selector",
            Reason::AllClusters => "the placement's empty selector takes every cluster",
            Reason::NotNamed => "the placement lists other clusters",
            Reason::NobodyNamed => "the placement's list of clusters is empty",
            Reason::NotSelected => "the cluster's labels do not match the placement's selector",
            Reason::NoPlacement => "the placement has neither a list of clusters nor a selector",
            Reason::NamespaceNotPlaced => "the federated namespace is not placed in this cluster",
            Reason::NamespaceNotFederated => "the namespace has no FederatedNamespace",
            Reason::NamespaceReserved => "objects of this namespace are never federated",
            Reason::ClusterNotJoined => "no cluster of this name is joined; the copy follows when it joins",
        }
    }
}
