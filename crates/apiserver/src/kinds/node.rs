//! Nodes: a new node brings its status along.

use async_trait::async_trait;

use super::KindHooks;

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {}
