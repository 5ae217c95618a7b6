//! Revisioned object store: durable group commit, watch history, snapshots.
