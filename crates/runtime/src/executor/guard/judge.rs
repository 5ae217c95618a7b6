//! Judges what one owner asks for in one round. Pure but for the book: time and facts are arguments.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use comity_api_kubefed::DeletionLimits;

use super::{
    Held, Stop,
    book::{Before, Book},
    held::id_of,
};
use crate::{
    executor::{Cause, Remaining},
    key::Key,
};

/// A deletion is judged when nobody else has begun to wait for so long, so that a wave is seen before its first goes.
const QUIET: i64 = 250;
/// It is judged at the latest after so long.
const LONGEST: i64 = 2000;
/// Meanwhile the record of the day is written.
const RECORDING: Duration = Duration::from_millis(20);

/// What one owner asks for in one round.
#[derive(Debug)]
pub struct Round<'a> {
    /// The owner.
    pub owner: &'a Key,
    /// Its uid.
    pub owner_uid: &'a str,
    /// Clusters that hold a copy of it now.
    pub copies: usize,
    /// The id by which the owner itself lets deletions go.
    pub allowance: &'a str,
    /// Clusters in which the stored status says that they are held for leaving too many clusters, and no edit came since.
    pub held_before: &'a BTreeSet<String>,
    /// The deletions.
    pub asks: Vec<Ask<'a>>,
}

/// One deletion.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The member.
    pub cluster: Arc<str>,
    /// UID of the copy.
    pub uid: &'a str,
    /// What it follows from.
    pub cause: &'a Cause,
}

/// What is known of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// UID of its `KubeFedCluster`.
    pub uid: String,
    /// Copies in it.
    pub copies: usize,
    /// The id that its administrator lets go.
    pub allowance: String,
    /// Whether it answers.
    pub ready: bool,
    /// What its stored conditions say of held deletions.
    pub before: Before,
}

/// The verdicts, in the order of the asks; `None` lets it go.
pub(super) fn judge(
    book: &mut Book,
    round: &Round<'_>,
    facts: impl Fn(&str) -> Option<Facts>,
    limits: &DeletionLimits,
    now: i64,
) -> Vec<Option<Stop>> {
    withdraw(book, round, &facts);
    let known: Vec<Facts> = round.asks.iter().map(|ask| facts(&ask.cluster).unwrap_or_default()).collect();
    for (ask, facts) in round.asks.iter().zip(&known) {
        book.member(&ask.cluster, &facts.uid, facts.before).allow(&facts.allowance, now);
    }
    let leaving: Vec<&Ask<'_>> = round
        .asks
        .iter()
        .filter(|ask| matches!(ask.cause, Cause::Unplaced(_)))
        .filter(|ask| !book.members.get(&ask.cluster).is_some_and(|m| m.has_passed(round.owner, ask.uid, now)))
        .collect();
    let object = ObjectVerdict::of(book, round, &leaving, limits, now);
    let judged = round.asks.iter().zip(&known).map(|(ask, facts)| {
        let verdict = one(book, round, ask, facts, &object, limits, now);
        match &verdict {
            None => book.forget(&ask.cluster, round.owner),
            Some(stop) => {
                let held = if let Stop::Held(held) = stop { Some(held.clone()) } else { None };
                let unplaced = matches!(ask.cause, Cause::Unplaced(_));
                book.wait(&ask.cluster, round.owner, ask.uid, unplaced, held, now);
            }
        }
        verdict
    });
    judged.collect()
}

/// What is no longer asked for waits no longer; of a member that does not answer nothing is known.
fn withdraw(book: &mut Book, round: &Round<'_>, facts: &impl Fn(&str) -> Option<Facts>) {
    let Some(clusters) = book.asking.get(round.owner) else { return };
    let silent = |cluster: &str| facts(cluster).is_some_and(|facts| !facts.ready);
    let gone: Vec<Arc<str>> = clusters.iter().filter(|c| !round.asks.iter().any(|ask| ask.cluster == **c) && !silent(c)).cloned().collect();
    for cluster in gone {
        book.forget(&cluster, round.owner);
    }
}

/// What the limits of the object itself say.
struct ObjectVerdict {
    id: String,
    allowed: bool,
    held: Option<Held>,
}

impl ObjectVerdict {
    fn of(book: &Book, round: &Round<'_>, leaving: &[&Ask<'_>], limits: &DeletionLimits, now: i64) -> Self {
        let parts = leaving.iter().flat_map(|ask| [&*ask.cluster, ask.uid]);
        let id = id_of(std::iter::once(round.owner_uid).chain(parts));
        let allowed = !leaving.is_empty() && round.allowance == id;
        let (minute, day) = book.has_left(round.owner, now);
        let before = leaving.iter().any(|ask| round.held_before.contains(&*ask.cluster));
        let over = [(minute, limits.object), (day, limits.object_day)].into_iter().find_map(|(left, limit)| {
            let (leaving, of) = (leaving.len() + left, round.copies.max(leaving.len()) + left);
            (leaving > limit.of(of)).then(|| (leaving, of, limit.of(of)))
        });
        let stands = || (leaving.len(), round.copies, limits.object.of(round.copies));
        let held = over.or_else(|| before.then(stands)).filter(|_| !leaving.is_empty() && !allowed);
        let held = held.map(|(leaving, of, limit)| Held::LeavesTooManyClusters { leaving, of, limit, id: id.clone() });
        Self { id, allowed, held }
    }
}

fn one(
    book: &mut Book,
    round: &Round<'_>,
    ask: &Ask<'_>,
    facts: &Facts,
    object: &ObjectVerdict,
    limits: &DeletionLimits,
    now: i64,
) -> Option<Stop> {
    let member = book.members.get_mut(&ask.cluster)?;
    if member.has_passed(round.owner, ask.uid, now) {
        return None;
    }
    let remaining = match ask.cause {
        Cause::Wanted | Cause::OwnerDeleted | Cause::Deferred | Cause::Cascade { allowed: true, .. } => return None,
        Cause::Cascade { from, id, .. } => return Some(Stop::Held(Held::Cascade { from: from.clone(), id: id.clone() })),
        Cause::Unplaced(remaining) => *remaining,
    };
    // what somebody let go by its id counts nowhere
    if object.allowed {
        member.pass(round.owner, ask.uid, now);
        return None;
    }
    if let Some(held) = &object.held {
        return Some(Stop::Held(held.clone()));
    }
    match remaining {
        Remaining::Enough => {}
        Remaining::Nothing => return Some(Stop::Held(Held::LastHealthyCopy { id: object.id.clone() })),
        Remaining::NotHealthyYet => return Some(Stop::Held(Held::WaitingForReplacement { id: object.id.clone() })),
    }
    let waits = member.waiting.get(round.owner).filter(|waiting| *waiting.uid == *ask.uid);
    let since = waits.map_or(now, |waiting| waiting.since);
    let standing = member.standing + usize::from(!waits.is_some_and(|waiting| waiting.unplaced));
    let newest = if waits.is_some() { member.newest } else { now };
    let (minute, day) = (member.minute.count(now), member.day.count(now));
    let over_minute = minute + standing > limits.minute.of(facts.copies + minute);
    let over_day = day + standing > limits.day.of(facts.copies + day);
    if member.closed || over_minute || over_day {
        member.closed = true;
        return Some(Stop::Held(if over_day && !over_minute { Held::TooManyInADay } else { Held::TooMany }));
    }
    // where fewer copies are than may go at once, no wave can be too large
    let small = facts.copies.max(standing) + minute <= limits.minute.count;
    let quiet = (newest + QUIET).min(since + LONGEST) - now;
    if !small && quiet > 0 {
        return Some(Stop::Wait(Duration::from_millis(quiet.unsigned_abs())));
    }
    if !member.cover.take(limits.day.of(facts.copies + day), standing, now) {
        return Some(Stop::Wait(RECORDING));
    }
    member.minute.add(now);
    member.day.add(now);
    member.pass(round.owner, ask.uid, now);
    book.left(round.owner, now);
    None
}
