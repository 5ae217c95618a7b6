//! Where groups of writes become durable.

pub(crate) mod fjall;
pub(crate) mod mem;
pub(crate) mod place;
mod torn;

use std::sync::Arc;

use crate::entry::Event;

/// Makes groups of events durable, each whole or not at all.
pub(crate) trait Backend: Send {
    /// Returns when the group is durable. After an error nothing more may be written.
    fn commit(&mut self, events: &[Arc<Event>]) -> Result<(), String>;
}
