//! What is held back before it reaches a lane.
//!
//! Today: a delete that does not say exactly what it was decided on. The limits per member, per object and over time
//! have their place here.

use comity_lane::Job;

use super::CopyAction;

/// Why an action is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// A delete without uid or resourceVersion could meet another object than the one it was decided on.
    WithoutPrecondition,
}

/// Whether an action may go on.
pub(super) fn check(action: &CopyAction) -> Result<(), Held> {
    match &action.job {
        Job::Delete(delete) if delete.uid.is_empty() || delete.resource_version.is_empty() => Err(Held::WithoutPrecondition),
        Job::Release(release) if release.uid.is_empty() => Err(Held::WithoutPrecondition),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use comity_lane::{Delete, DeleteOptions, Urgency};

    use super::*;
    use crate::executor::Cause;

    fn delete(uid: &str, resource_version: &str) -> CopyAction {
        let job = Job::Delete(Delete { uid: uid.into(), resource_version: resource_version.into(), options: DeleteOptions::default() });
        CopyAction {
            cluster: "c".into(),
            namespace: "ns".into(),
            name: "n".into(),
            job,
            urgency: Urgency::User,
            cause: Cause::OwnerDeleted,
        }
    }

    #[test]
    fn a_delete_says_what_it_was_decided_on() {
        assert_eq!(check(&delete("u", "1")), Ok(()));
        assert_eq!(check(&delete("", "1")), Err(Held::WithoutPrecondition));
        assert_eq!(check(&delete("u", "")), Err(Held::WithoutPrecondition));
    }
}
