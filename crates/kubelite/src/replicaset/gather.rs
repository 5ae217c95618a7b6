//! What one round looks at.

use comity_core::object;
use comity_runtime::Key;
use jiff::Timestamp;

use super::{ReplicaSets, plan::Observed};
use crate::kit::index::orphans_of;

/// `None` when the set does not exist.
pub(super) fn gather(controller: &ReplicaSets, key: &Key) -> Option<Observed> {
    let set = controller.sets.get(&key.namespace, &key.name)?;
    let owned = controller.pods_by_owner.get(object::uid(&set));
    let siblings = match object::controller_ref(&set) {
        Some(owner) => controller.sets_by_owner.get(object::str_at(owner, &["uid"])),
        None => vec![set.clone()],
    };
    let crowd = siblings.iter().flat_map(|sibling| controller.pods_by_owner.get(object::uid(sibling))).collect();
    let orphans = controller.pods_by_owner.get(&orphans_of(&key.namespace));
    Some(Observed { set, owned, orphans, crowd, now: Timestamp::now() })
}
