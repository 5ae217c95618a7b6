//! What is held back before it reaches a lane: the deletion guard.
//!
//! Deletions that follow from a changed wish (placement, policy, selector, cluster label) are limited per member
//! within a minute and within a day, and per object over its members; the last healthy copy of an object stays;
//! deletions that come from deleting a namespace or a definition on the hub are always held. Deleting an owner is a
//! word of its own and is not limited. What is held is listed in the member's condition `DeletionsHeld` under an id;
//! the id as an annotation lets exactly these deletions go.
//!
//! The decisions are pure ([`judge`]): time, limits and facts are arguments. Over a restart a member that held
//! deletions stays closed (its stored condition says so), and the day's counts
//! are recorded by [`keep`] before what they count goes.

mod book;
mod cover;
mod held;
mod judge;
pub mod keep;
mod show;
mod window;

use std::sync::Arc;

use comity_api_kubefed::keys::DELETIONS_HELD;
use comity_fleet::Fleet;
use comity_lane::Job;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::book::Book;
use super::CopyRound;
use crate::key::Key;

pub use book::Before;
pub use held::{Held, LEAVES_TOO_MANY, Stop, id_of};
pub use judge::{Ask, Facts, Round};

/// The guard of one hub: all kinds of owners ask the same one.
#[derive(Default)]
pub struct Guard {
    book: Mutex<Book>,
    changed: Notify,
    /// Something waits for the record.
    uncovered: Notify,
}

impl Guard {
    /// A guard that has seen nothing; see [`keep`] for what it takes over from before a restart.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// An owner is gone: nothing of it waits.
    pub fn forget(&self, owner: &Key) {
        let mut book = self.book.lock();
        for cluster in book.asking.get(owner).cloned().unwrap_or_default() {
            book.forget(&cluster, owner);
            self.changed.notify_one();
        }
    }

    /// What of a round does not go, by its place in the actions.
    pub(super) fn check(&self, fleet: &Fleet, owner: &Key, round: &CopyRound) -> Vec<(usize, Stop)> {
        let mut stops = Vec::new();
        let mut places = Vec::new();
        let mut asks = Vec::new();
        for (place, action) in round.actions.iter().enumerate() {
            match &action.job {
                Job::Delete(delete) if delete.uid.is_empty() || delete.resource_version.is_empty() => {
                    stops.push((place, no_precondition()))
                }
                Job::Release(release) if release.uid.is_empty() => stops.push((place, no_precondition())),
                Job::Delete(delete) => {
                    places.push(place);
                    asks.push(Ask { cluster: action.cluster.as_str().into(), uid: &delete.uid, cause: &action.cause });
                }
                Job::Apply(_) | Job::Release(_) | Job::Look => {}
            }
        }
        let mut book = self.book.lock();
        // almost every round: nothing is to go, and nothing waited
        if asks.is_empty() && !book.asking.contains_key(owner) {
            return stops;
        }
        let round = Round {
            owner,
            owner_uid: comity_core::object::uid(&round.owner),
            copies: round.copies,
            allowance: comity_core::object::annotation(&round.owner, comity_api_kubefed::keys::ALLOW_DELETIONS).unwrap_or_default(),
            held_before: &round.held_before,
            asks,
        };
        let limits = fleet.settings().borrow().deletion_limits;
        let judged = judge::judge(&mut book, &round, |cluster| facts(fleet, cluster), &limits, Timestamp::now().as_millisecond());
        let uncovered = book.members.values().any(|member| member.cover.is_wanted());
        drop(book);
        self.changed.notify_one();
        if uncovered {
            self.uncovered.notify_one();
        }
        stops.extend(places.into_iter().zip(judged).filter_map(|(place, stop)| Some((place, stop?))));
        stops
    }
}

fn no_precondition() -> Stop {
    Stop::Held(Held::WithoutPrecondition)
}

fn facts(fleet: &Fleet, cluster: &str) -> Option<Facts> {
    let member = fleet.member(cluster)?;
    Some(Facts {
        uid: member.uid.clone(),
        copies: member.total_copies().0,
        allowance: member.allowance(),
        ready: member.is_ready(),
        before: show::before(member.flags().get(DELETIONS_HELD)),
    })
}

#[cfg(test)]
mod tests;
