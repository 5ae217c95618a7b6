//! The guard's memory: what went, what waits, and what was shown. Its size is bounded by the copies that wait, by the
//! members, and by [`MOST_OBJECTS`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{Held, cover::Cover, window::Window};
use crate::key::Key;

/// Objects whose leaving is remembered; the ones that left longest ago are forgotten.
pub(super) const MOST_OBJECTS: usize = 16_384;
/// A deletion that may go and does not end is judged anew after this time.
const PASS_FOR: i64 = 600_000;

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub members: BTreeMap<Arc<str>, MemberBook>,
    pub objects: HashMap<Key, ObjectBook>,
    /// The members in which something of an owner waits.
    pub asking: HashMap<Key, BTreeSet<Arc<str>>>,
}

/// What was so before a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// Nothing was held in the member.
    #[default]
    Nothing,
    /// Something was held, each for a reason of its own.
    Held,
    /// Deletions were held for their number: later ones are held too.
    Closed,
}

/// One member.
#[derive(Debug)]
pub(super) struct MemberBook {
    /// UID of its `KubeFedCluster`: joined anew, it is another one.
    pub uid: String,
    pub minute: Window,
    pub day: Window,
    pub waiting: BTreeMap<Key, Waiting>,
    /// How many of those follow from a changed wish.
    pub standing: usize,
    /// When the latest began to wait.
    pub newest: i64,
    /// Deletions that follow from a changed wish are held until an administrator lets them go, or none is left.
    pub closed: bool,
    /// It held something before a restart, and who waits has not been asked yet.
    pub unconfirmed: bool,
    /// It answered, and all was known of it, at the last look.
    pub clear: bool,
    pub shown: Option<Shown>,
    /// Deletions that may go: the uid, and since when.
    passed: HashMap<Key, (Box<str>, i64)>,
    pub dirty: bool,
    /// How far the recorded day covers what goes.
    pub cover: Cover,
}

/// A deletion that does not go yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub uid: Box<str>,
    pub since: i64,
    pub unplaced: bool,
    pub held: Option<Held>,
}

/// What an administrator was shown: the id stands for exactly these.
#[derive(Debug)]
pub(super) struct Shown {
    pub id: String,
    pub set: BTreeMap<Key, Box<str>>,
}

/// How many clusters an object left.
#[derive(Debug)]
pub(super) struct ObjectBook {
    pub minute: Window,
    pub day: Window,
}

impl Book {
    /// The book of a member, begun where there is none; `before` is what the hub has stored.
    pub fn member(&mut self, name: &Arc<str>, uid: &str, before: Before) -> &mut MemberBook {
        let book = self.members.entry(name.clone()).or_insert_with(|| MemberBook::new(uid, before));
        if book.uid != uid {
            *book = MemberBook::new(uid, before);
        }
        book
    }

    pub fn left(&mut self, owner: &Key, now: i64) {
        if self.objects.len() >= MOST_OBJECTS && !self.objects.contains_key(owner) {
            self.forget_objects(now);
        }
        let begin = || ObjectBook { minute: Window::minute(), day: Window::day() };
        let object = self.objects.entry(owner.clone()).or_insert_with(begin);
        object.minute.add(now);
        object.day.add(now);
    }

    fn forget_objects(&mut self, now: i64) {
        self.objects.retain(|_, object| object.day.count(now) > 0);
        if self.objects.len() >= MOST_OBJECTS {
            let mut latest: Vec<i64> = self.objects.values().map(|object| object.day.latest()).collect();
            latest.sort_unstable();
            let oldest = latest.get(latest.len() / 4).copied().unwrap_or(i64::MAX);
            self.objects.retain(|_, object| object.day.latest() > oldest);
            // all of one hour: there is no oldest
            while self.objects.len() >= MOST_OBJECTS {
                let Some(any) = self.objects.keys().next().cloned() else { break };
                self.objects.remove(&any);
            }
        }
    }

    /// How many clusters an object left within a minute and within a day.
    pub fn has_left(&self, owner: &Key, now: i64) -> (usize, usize) {
        self.objects.get(owner).map_or((0, 0), |object| (object.minute.count(now), object.day.count(now)))
    }

    /// Somebody waits.
    pub fn wait(&mut self, cluster: &Arc<str>, owner: &Key, uid: &str, unplaced: bool, held: Option<Held>, now: i64) {
        let Some(member) = self.members.get_mut(cluster) else { return };
        let known = member.waiting.get(owner).filter(|known| *known.uid == *uid);
        let since = known.map(|known| known.since);
        if known.map(|known| (&known.held, known.unplaced)) == Some((&held, unplaced)) {
            return;
        }
        member.forget(owner);
        member.newest = if since.is_none() { now } else { member.newest };
        member.standing += usize::from(unplaced);
        member.waiting.insert(owner.clone(), Waiting { uid: uid.into(), since: since.unwrap_or(now), unplaced, held });
        member.dirty = true;
        self.asking.entry(owner.clone()).or_default().insert(cluster.clone());
    }

    /// Nobody waits any more, here.
    pub fn forget(&mut self, cluster: &Arc<str>, owner: &Key) {
        if let Some(member) = self.members.get_mut(cluster) {
            member.forget(owner);
        }
        if let Some(clusters) = self.asking.get_mut(owner) {
            clusters.remove(cluster);
            if clusters.is_empty() {
                self.asking.remove(owner);
            }
        }
    }
}

impl MemberBook {
    fn new(uid: &str, before: Before) -> Self {
        Self {
            uid: uid.to_owned(),
            minute: Window::minute(),
            day: Window::day(),
            waiting: BTreeMap::new(),
            standing: 0,
            newest: i64::MIN,
            closed: before == Before::Closed,
            unconfirmed: before != Before::Nothing,
            clear: false,
            shown: None,
            passed: HashMap::new(),
            dirty: before != Before::Nothing,
            cover: Cover::default(),
        }
    }

    fn forget(&mut self, owner: &Key) {
        if let Some(gone) = self.waiting.remove(owner) {
            self.standing -= usize::from(gone.unplaced);
            self.dirty = true;
        }
    }

    pub fn pass(&mut self, owner: &Key, uid: &str, now: i64) {
        if self.passed.len() == self.passed.capacity() {
            self.passed.retain(|_, (_, at)| now - *at < PASS_FOR);
        }
        self.passed.insert(owner.clone(), (uid.into(), now));
    }

    /// Whether this deletion was let go before.
    pub fn has_passed(&self, owner: &Key, uid: &str, now: i64) -> bool {
        self.passed.get(owner).is_some_and(|(passed, at)| **passed == *uid && now - *at < PASS_FOR)
    }

    /// The administrator's word: everything that was shown under this id may go.
    pub fn allow(&mut self, id: &str, now: i64) {
        let Some(shown) = self.shown.take_if(|shown| shown.id == id) else { return };
        for (owner, uid) in shown.set {
            if self.waiting.get(&owner).is_some_and(|waiting| waiting.uid == uid) {
                self.forget(&owner);
            }
            self.pass(&owner, &uid, now);
        }
        // who came later was not shown, and stays
        self.closed = self.waiting.values().any(|waiting| waiting.unplaced && waiting.held.is_some());
        self.unconfirmed = false;
        self.dirty = true;
    }
}
