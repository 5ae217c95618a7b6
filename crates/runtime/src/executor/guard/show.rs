//! What an administrator is shown of a member: an id, counts by reason, some names, and the command that lets it go.

use std::collections::BTreeMap;

use comity_api_kubefed::keys::{ALLOW_DELETIONS, DELETIONS_HELD};
use comity_fleet::FlaggedCondition;

use super::{
    Held,
    book::{Before, MemberBook, Shown},
    held::id_of,
};

/// So many are named.
const NAMED: usize = 3;

/// What the member's condition is to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Flag(FlaggedCondition),
    Unflag,
}

/// What a stored condition says of the time before a restart.
pub(super) fn before(condition: Option<&FlaggedCondition>) -> Before {
    let by_number =
        |condition: &FlaggedCondition| [Held::TooMany, Held::TooManyInADay].iter().any(|h| condition.message.contains(h.code()));
    match condition {
        None => Before::Nothing,
        Some(condition) if by_number(condition) => Before::Closed,
        Some(_) => Before::Held,
    }
}

/// The news of a member whose book changed; what is shown from now on is in the book.
pub(super) fn news(cluster: &str, namespace: &str, book: &mut MemberBook) -> Option<News> {
    book.dirty = false;
    let shown = book.waiting.iter().filter_map(|(owner, waiting)| Some((owner, waiting, waiting.held.as_ref().filter(|h| h.is_shown())?)));
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() {
        // before a restart there was something, and nobody has been asked yet
        if book.unconfirmed {
            return None;
        }
        book.closed = false;
        book.shown = None;
        return Some(News::Unflag);
    }
    let id = id_of(shown.iter().flat_map(|(owner, waiting, _)| [&*owner.kind, &*owner.namespace, &*owner.name, &*waiting.uid]));
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, _, held) in &shown {
        *reasons.entry(held.code()).or_default() += 1;
    }
    let counts = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ");
    let names = shown.iter().take(NAMED).map(|(owner, _, _)| owner.to_string()).collect::<Vec<_>>().join(", ");
    let more = match shown.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason = if let [reason] = reasons.keys().collect::<Vec<_>>()[..] { (*reason).to_owned() } else { "SeveralReasons".to_owned() };
    let message = format!(
        "id {id}: {} deletions are held ({counts}): {names}{more}; if they are meant, run: \
         kubectl annotate kubefedcluster {cluster} -n {namespace} --overwrite {ALLOW_DELETIONS}={id}",
        shown.len(),
    );
    let set = shown.iter().map(|(owner, waiting, _)| ((*owner).clone(), waiting.uid.clone())).collect();
    book.shown = Some(Shown { id, set });
    Some(News::Flag(FlaggedCondition { kind: DELETIONS_HELD.to_owned(), status: true, reason, message }))
}
