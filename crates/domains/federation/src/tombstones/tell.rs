//! The condition of a member that has deletions to come.

use std::{collections::BTreeMap, time::Duration};

use comity_api_kubefed::keys::DELETIONS_DEFERRED;
use comity_fleet::{FlaggedCondition, Fleet};

/// What changes in quick succession is told together.
pub(super) const GATHER: Duration = Duration::from_millis(300);
/// So many owners are named.
const NAMED: usize = 3;

/// Sets and takes away conditions as the records say.
pub(crate) fn tell(fleet: &Fleet, pending: &BTreeMap<String, Vec<String>>) {
    for cluster in fleet.members().keys() {
        match pending.get(cluster) {
            Some(owners) => fleet.flag(cluster, condition(owners)),
            None => fleet.unflag(cluster, DELETIONS_DEFERRED),
        }
    }
}

fn condition(owners: &[String]) -> FlaggedCondition {
    let mut named: Vec<&str> = owners.iter().map(String::as_str).collect();
    named.sort_unstable();
    named.truncate(NAMED);
    let more = match owners.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let copies = if owners.len() == 1 { "1 copy is".to_owned() } else { format!("{} copies are", owners.len()) };
    FlaggedCondition {
        kind: DELETIONS_DEFERRED.to_owned(),
        status: true,
        reason: "OwnersDeleted".to_owned(),
        message: format!("{copies} deleted when the cluster answers, as the owners are gone: {}{more}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_tells_how_many_copies_it_still_has_to_delete() {
        assert_eq!(condition(&["b".to_owned()]).message, "1 copy is deleted when the cluster answers, as the owners are gone: b");
        let many: Vec<String> = (0..12).map(|i| format!("o{i:02}")).collect();
        assert!(condition(&many).message.ends_with("o00, o01, o02 and 9 more"));
        assert!(condition(&many).message.starts_with("12 copies are"));
    }
}
