//! What the controllers share: caches, indexes, writes, and the facts about pods that Kubernetes defines once.

pub(crate) mod catalog;
pub(crate) mod chance;
pub(crate) mod claim;
pub(crate) mod hands;
pub(crate) mod index;
pub(crate) mod informers;
pub(crate) mod pod;
pub(crate) mod rank;
pub(crate) mod resources;
pub(crate) mod revisions;
pub(crate) mod settle;
pub(crate) mod share;
pub(crate) mod simulated;
pub(crate) mod slow_start;
pub(crate) mod template;
