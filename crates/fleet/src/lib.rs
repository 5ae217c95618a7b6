//! The members: their connections, health and merged watches.
