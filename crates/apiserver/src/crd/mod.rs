//! CustomResourceDefinitions: admission, conditions, and what they change in the registry.
//!
//! A definition is served before the client that wrote it gets its answer: names, conditions and registry are settled
//! in the same request.

mod cleanup;
mod hooks;
mod names;
mod served;
mod status;
pub(crate) mod sync;

use std::collections::HashSet;

use comity_core::Status;
use parking_lot::Mutex;

pub use hooks::{Hooks, deletion};
pub use status::FINALIZER;

use crate::{config::Config, cx::Cx};

/// State of custom resource definitions.
#[derive(Default)]
pub struct State {
    /// Held while statuses are computed, so that no two definitions get one name.
    registered: tokio::sync::Mutex<sync::Registered>,
    /// Uids of definitions whose objects are being removed.
    ending: Mutex<HashSet<String>>,
}

impl State {
    /// From the settings.
    pub fn new(_config: &Config) -> Self {
        Self::default()
    }
}

/// Puts the stored definitions into the registry and starts what runs beside requests.
///
/// # Errors
/// The store refuses a write.
pub async fn start(cx: &Cx) -> Result<(), Status> {
    sync::all(cx).await
}
