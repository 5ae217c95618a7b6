//! What a write to a member follows from. The guard judges deletions by it.

/// What a write follows from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// The copy is wanted there.
    #[default]
    Wanted,
    /// The owner itself was deleted.
    OwnerDeleted,
    /// The owner stands, and no longer wants a copy there: its placement, a policy, a selector or a cluster's label changed.
    Unplaced(Remaining),
    /// The owner was deleted with something that it lives in.
    Cascade {
        /// What was deleted.
        from: Cascade,
        /// The id that lets its deletions go.
        id: String,
        /// Whether that id stands on it.
        allowed: bool,
    },
    /// The owner was deleted while the member did not answer.
    Deferred,
}

/// What was deleted on the hub and takes many owners with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cascade {
    /// A namespace.
    NamespaceDeleted(String),
    /// The definition of the owners' kind.
    TypeDeleted(String),
}

/// What the owner still has when the copies that its plan takes are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remaining {
    /// A healthy copy elsewhere, or this one is not healthy either.
    #[default]
    Enough,
    /// Copies elsewhere are wanted, and none is healthy yet.
    NotHealthyYet,
    /// Nothing: no other cluster is to have a copy.
    Nothing,
}
