//! May this hub write that object? Asked before every write to an object that exists.

use comity_core::Value;

use crate::{
    copy::{Holder, holder, managed_label},
    fence::Closed,
    target::Target,
};

/// What to do with an existing object that nobody manages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Adopt {
    /// Leave it alone and report it.
    Abort,
    /// Take it over and make it equal to the template.
    #[default]
    Adopt,
    /// Take it over only if the template's fields already say the same there.
    AdoptIfEqual,
    /// Never write it.
    ReadOnly,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this owner's copy.
    Ours,
    /// It exists unmanaged; the adoption mode says that it may be taken.
    Adopt,
    /// It exists unmanaged; it may be taken if a dry run changes nothing.
    AdoptIfEqual,
    /// It must not be written.
    Refused(Refusal),
}

/// Why an object must not be written. The name is the reason that users read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its label `kubefed.io/managed` says `false`.
    ManagedLabelFalse,
    /// Another hub, domain or owner holds it.
    OwnedByOther(String),
    /// A newer hub wrote it: this one has been restored from an old state.
    HubBehind {
        /// Epoch on the object.
        found: u64,
        /// The own epoch.
        own: u64,
    },
    /// It exists, nobody manages it, and adoption is off.
    AlreadyExists,
    /// Adoption is limited to reading.
    ReadOnly,
    /// It would be taken over only without a change, and there is one.
    NotEqual,
    /// It is being deleted.
    WaitingForRemoval,
    /// The whole member is only read.
    Fenced(Closed),
}

impl Refusal {
    /// The machine-readable reason.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::ManagedLabelFalse => "ManagedLabelFalse",
            Refusal::OwnedByOther(_) => "OwnedByOther",
            Refusal::HubBehind { .. } => "HubBehind",
            Refusal::AlreadyExists => "AlreadyExists",
            Refusal::ReadOnly => "ReadOnly",
            Refusal::NotEqual => "NotEqual",
            Refusal::WaitingForRemoval => "WaitingForRemoval",
            Refusal::Fenced(closed) => closed.code(),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::ManagedLabelFalse => f.write_str("the object's label kubefed.io/managed is not \"true\": it is never touched"),
            Refusal::OwnedByOther(owner) => write!(f, "the object belongs to {owner}"),
            Refusal::HubBehind { found, own } => {
                write!(f, "the object was written by this hub in epoch {found} and this is epoch {own}: run 'comity hub recover'")
            }
            Refusal::AlreadyExists => f.write_str("an unmanaged object of this name exists and adoption is off"),
            Refusal::ReadOnly => f.write_str("comity.dev/adopt is ReadOnly: the object is looked at and never written"),
            Refusal::NotEqual => f.write_str("an unmanaged object of this name exists and differs from the template"),
            Refusal::WaitingForRemoval => f.write_str("the object that was there is being deleted"),
            Refusal::Fenced(closed) => closed.fmt(f),
        }
    }
}

/// Decides for one live object.
pub fn arbitrate(live: &Value, target: &Target, hub: &str, epoch: u64, adopt: Adopt) -> Verdict {
    if managed_label(live) == Some(false) {
        return Verdict::Refused(Refusal::ManagedLabelFalse);
    }
    match holder(live, target, hub) {
        Holder::Other(owner) => Verdict::Refused(Refusal::OwnedByOther(owner.into())),
        Holder::Us(hold) if hold.epoch > epoch => Verdict::Refused(Refusal::HubBehind { found: hold.epoch, own: epoch }),
        Holder::Us(_) => Verdict::Ours,
        // KubeFed's own copy without a mark of ours: the hub that is being replaced left it.
        Holder::Nobody if managed_label(live) == Some(true) => Verdict::Adopt,
        Holder::Nobody => match adopt {
            Adopt::Adopt => Verdict::Adopt,
            Adopt::AdoptIfEqual => Verdict::AdoptIfEqual,
            Adopt::Abort => Verdict::Refused(Refusal::AlreadyExists),
            Adopt::ReadOnly => Verdict::Refused(Refusal::ReadOnly),
        },
    }
}

#[cfg(test)]
mod tests {
    use comity_core::{json, object};

    use super::*;
    use crate::copy::tests::{mark, target};

    fn live(label: Option<&str>, hub: Option<&str>) -> Value {
        let mut live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "namespace": "ns"}});
        if let Some(label) = label {
            object::set(&mut live, &["metadata", "labels", "kubefed.io/managed"], label.into());
        }
        if let Some(hub) = hub {
            mark(hub, &target().owner_kind).put_on(&mut live);
        }
        live
    }

    fn decide(label: Option<&str>, hub: Option<&str>, epoch: u64, adopt: Adopt) -> Verdict {
        arbitrate(&live(label, hub), &target(), "h", epoch, adopt)
    }

    #[test]
    fn a_label_that_says_false_is_final() {
        assert_eq!(decide(Some("false"), Some("h"), 3, Adopt::Adopt), Verdict::Refused(Refusal::ManagedLabelFalse));
    }

    #[test]
    fn own_copies_are_written_and_others_are_not() {
        assert_eq!(decide(Some("true"), Some("h"), 3, Adopt::Abort), Verdict::Ours);
        assert!(matches!(decide(Some("true"), Some("x"), 3, Adopt::Adopt), Verdict::Refused(Refusal::OwnedByOther(_))));
    }

    #[test]
    fn a_copy_of_a_later_epoch_stops_an_old_hub() {
        assert_eq!(decide(None, Some("h"), 2, Adopt::Adopt), Verdict::Refused(Refusal::HubBehind { found: 3, own: 2 }));
    }

    #[test]
    fn an_unmanaged_object_is_treated_by_the_adoption_mode() {
        assert_eq!(decide(None, None, 1, Adopt::Adopt), Verdict::Adopt);
        assert_eq!(decide(None, None, 1, Adopt::AdoptIfEqual), Verdict::AdoptIfEqual);
        assert_eq!(decide(None, None, 1, Adopt::Abort), Verdict::Refused(Refusal::AlreadyExists));
        assert_eq!(decide(None, None, 1, Adopt::ReadOnly), Verdict::Refused(Refusal::ReadOnly));
        assert_eq!(decide(Some("true"), None, 1, Adopt::Abort), Verdict::Adopt, "KubeFed's copies are taken over");
    }
}
