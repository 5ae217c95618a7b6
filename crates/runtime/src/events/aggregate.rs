//! Which events are new, which are repeated, and which are too many.

use std::collections::HashMap;

use comity_core::{digest::Digest, object};
use jiff::Timestamp;

use super::Told;

/// Events about one object that may come at once; then one in five minutes.
const BURST: f64 = 25.0;
const REFILL_PER_SECOND: f64 = 1.0 / 300.0;
/// Remembered events and objects; the memory is emptied when it is full.
const MEMORY: usize = 4096;

/// What to write.
#[derive(Debug, PartialEq)]
pub(super) enum Write {
    /// A new event under this name.
    First { name: String },
    /// A higher count on the event of this name.
    Again { name: String, count: u64 },
    /// Nothing: too many.
    Drop,
}

#[derive(Default)]
pub(super) struct Aggregate {
    seen: HashMap<Identity, (String, u64)>,
    budgets: HashMap<u64, (f64, Timestamp)>,
    serial: u64,
}

/// What makes two events the same: a digest of object, host, kind, reason and message. Two that meet by chance are
/// counted as one, once in many lifetimes; texts would take a kilobyte each.
type Identity = u64;

impl Aggregate {
    pub(super) fn take(&mut self, event: &Told) -> Write {
        if !self.within_budget(event) {
            return Write::Drop;
        }
        let identity = identity(event);
        if let Some((name, count)) = self.seen.get_mut(&identity) {
            *count += 1;
            return Write::Again { name: name.clone(), count: *count };
        }
        Write::First { name: self.first(identity, event) }
    }

    /// The event as a new one: what was remembered of it no longer exists.
    pub(super) fn renamed(&mut self, event: &Told) -> String {
        self.first(identity(event), event)
    }

    fn first(&mut self, identity: Identity, event: &Told) -> String {
        if self.seen.len() >= MEMORY {
            self.seen.clear();
        }
        self.serial += 1;
        // like the nanoseconds that other recorders use; the serial keeps events of one instant apart
        let stamp = event.at.as_nanosecond().wrapping_add(i128::from(self.serial));
        let name = format!("{}.{stamp:x}", object::str_at(&event.about, &["name"]));
        self.seen.insert(identity, (name.clone(), 1));
        name
    }

    fn within_budget(&mut self, event: &Told) -> bool {
        if self.budgets.len() >= MEMORY {
            self.budgets.clear();
        }
        let (left, since) = self.budgets.entry(about(event)).or_insert((BURST, event.at));
        let seconds = event.at.duration_since(*since).as_secs_f64().max(0.0);
        *left = (*left + seconds * REFILL_PER_SECOND).min(BURST);
        *since = event.at;
        let within = *left >= 1.0;
        if within {
            *left -= 1.0;
        }
        within
    }
}

/// The object, whatever its state.
fn about(event: &Told) -> u64 {
    let mut digest = Digest::default();
    for part in ["apiVersion", "kind", "namespace", "name", "uid"] {
        digest.text(object::str_at(&event.about, &[part]));
    }
    digest.finish()
}

fn identity(event: &Told) -> Identity {
    let mut digest = Digest::default();
    digest.bytes(&about(event).to_le_bytes());
    digest.bytes(&[u8::from(event.kind == super::EventKind::Warning)]);
    for text in [&event.host, &event.reason, &event.message] {
        digest.text(text);
    }
    digest.finish()
}
