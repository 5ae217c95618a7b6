//! CustomResourceDefinitions: admission, conditions, and what they change in the registry.

use async_trait::async_trait;
use comity_core::{FieldError, Status, Value};

use crate::{
    config::Config,
    cx::Cx,
    kinds::{Change, KindHooks},
};

/// State of custom resource definitions.
pub struct State;

impl State {
    /// From the settings.
    pub fn new(_config: &Config) -> Self {
        Self
    }
}

/// Puts the stored definitions into the registry and starts what runs beside requests.
///
/// # Errors
/// A stored definition cannot be read.
pub async fn start(_cx: &Cx) -> Result<(), Status> {
    Ok(())
}

/// The hooks of `customresourcedefinitions.apiextensions.k8s.io`.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn validate(&self, _change: &Change<'_>, _new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
        Vec::new()
    }
}
