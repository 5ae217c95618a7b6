//! What one round looks at.

use std::sync::Arc;

use comity_core::object;
use comity_runtime::Key;
use jiff::Timestamp;

use super::{Deployments, model::Observed};
use crate::kit::{
    claim::{self, Claim},
    index::orphans_of,
    pod,
};

/// `None` when the Deployment does not exist.
pub(super) fn gather(controller: &Deployments, key: &Key) -> Option<(Observed, Claim)> {
    let deployment = controller.deployments.get(&key.namespace, &key.name)?;
    let claim = match claim::selector(&deployment) {
        Some(selector) => {
            let owned = controller.sets_by_owner.get(object::uid(&deployment));
            claim::claim(&deployment, &selector, owned, controller.sets_by_owner.get(&orphans_of(&key.namespace)))
        }
        None => Claim::default(),
    };
    let sets: Vec<Arc<_>> = claim.kept.iter().chain(&claim.adopt).cloned().collect();
    let with_pods = sets.iter().filter(|set| controller.pods_by_owner.get(object::uid(set)).iter().any(|p| !pod::is_finished(p)));
    let with_pods = with_pods.map(|set| object::uid(set).to_owned()).collect();
    Some((Observed { deployment, sets, with_pods, created: None, now: Timestamp::now() }, claim))
}
