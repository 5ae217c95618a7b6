//! Why a deletion does not go yet, in words that say how it goes.

use std::time::Duration;

use comity_api_kubefed::keys::ALLOW_DELETIONS;
use comity_core::digest::Digest;

use crate::executor::Cascade;

/// What keeps a deletion back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What else goes is seen in a moment: ask again after this time.
    Wait(Duration),
    /// It is held.
    Held(Held),
}

/// Why a deletion is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Without uid or resourceVersion it could meet another object than the one it was decided on.
    WithoutPrecondition,
    /// Too many copies would leave the cluster within a minute, or the cluster holds deletions already.
    TooMany,
    /// Too many copies would have left the cluster within a day.
    TooManyInADay,
    /// The object would leave too many clusters.
    LeavesTooManyClusters {
        /// So many leave, or have left a moment ago.
        leaving: usize,
        /// Of so many.
        of: usize,
        /// So many may.
        limit: usize,
        /// The id that lets them go.
        id: String,
    },
    /// No healthy copy of the object would be left anywhere.
    LastHealthyCopy {
        /// The id that lets it go.
        id: String,
    },
    /// Copies elsewhere are wanted and none is healthy yet: it goes by itself then.
    WaitingForReplacement {
        /// The id that lets it go at once.
        id: String,
    },
    /// The owner was deleted with something that it lives in.
    Cascade {
        /// What was deleted.
        from: Cascade,
        /// The id that lets its deletions go.
        id: String,
    },
}

impl Held {
    /// Machine-readable reason.
    pub fn code(&self) -> &'static str {
        match self {
            Held::WithoutPrecondition => "WithoutPrecondition",
            Held::TooMany => "TooManyDeletions",
            Held::TooManyInADay => "TooManyDeletionsInADay",
            Held::LeavesTooManyClusters { .. } => LEAVES_TOO_MANY,
            Held::LastHealthyCopy { .. } => "LastHealthyCopy",
            Held::WaitingForReplacement { .. } => "WaitingForReplacement",
            Held::Cascade { from: Cascade::NamespaceDeleted(_), .. } => "NamespaceDeleted",
            Held::Cascade { from: Cascade::TypeDeleted(_), .. } => "TypeDeleted",
        }
    }

    /// Whether an administrator has to look at it. The others go by themselves.
    pub fn is_shown(&self) -> bool {
        !matches!(self, Held::WithoutPrecondition | Held::WaitingForReplacement { .. })
    }
}

/// The reason of [`Held::LeavesTooManyClusters`].
pub const LEAVES_TOO_MANY: &str = "LeavesTooManyClusters";

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Held::WithoutPrecondition => f.write_str("the deletion does not say which object it means"),
            Held::TooMany => {
                f.write_str("too many copies would leave this cluster at once: see condition DeletionsHeld of its KubeFedCluster")
            }
            Held::TooManyInADay => {
                f.write_str("too many copies would have left this cluster within a day: see condition DeletionsHeld of its KubeFedCluster")
            }
            Held::LeavesTooManyClusters { leaving, of, limit, id } => {
                write!(
                    f,
                    "the object would leave {leaving} of {of} clusters and may leave {limit}: if it is meant, annotate the object with {ALLOW_DELETIONS}={id}"
                )
            }
            Held::LastHealthyCopy { id } => {
                write!(f, "no healthy copy of the object would be left: if it is meant, annotate the object with {ALLOW_DELETIONS}={id}")
            }
            Held::WaitingForReplacement { id } => {
                write!(f, "kept until another copy is healthy; to let it go now, annotate the object with {ALLOW_DELETIONS}={id}")
            }
            Held::Cascade { from: Cascade::NamespaceDeleted(name), id } => {
                write!(
                    f,
                    "namespace {name} is being deleted on the hub: if its copies are to go too, annotate the namespace with {ALLOW_DELETIONS}={id}"
                )
            }
            Held::Cascade { from: Cascade::TypeDeleted(name), id } => {
                write!(
                    f,
                    "the definition {name} is being deleted on the hub: if its copies are to go too, annotate the definition with {ALLOW_DELETIONS}={id}"
                )
            }
        }
    }
}

/// A short id of what is shown: other deletions have another one.
pub fn id_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Digest::default();
    parts.into_iter().for_each(|part| digest.text(part));
    format!("{:016x}", digest.finish()).chars().take(10).collect()
}
