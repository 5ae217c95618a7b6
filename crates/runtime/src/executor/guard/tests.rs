//! What the guard lets go and what it holds, with time and facts as arguments.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use comity_api_kubefed::DeletionLimits;

use super::{
    Held, Stop,
    book::{Before, Book, MOST_OBJECTS},
    judge::{Ask, Facts, Round, judge},
    show::{News, before, news},
};
use crate::{
    executor::{Cascade, Cause, Remaining},
    key::Key,
};

const START: i64 = 1_800_000_000_000;
const ENOUGH: Cause = Cause::Unplaced(Remaining::Enough);

/// A fleet whose members hold so many copies each.
struct World {
    book: Book,
    copies: usize,
    allowance: BTreeMap<String, String>,
    silent: BTreeSet<String>,
    closed: bool,
    now: i64,
}

impl World {
    fn new(copies: usize) -> Self {
        Self { book: Book::default(), copies, allowance: BTreeMap::new(), silent: BTreeSet::new(), closed: false, now: START }
    }

    fn ask(&mut self, object: &str, clusters: &[&str], cause: &Cause, of: usize, allowance: &str) -> Vec<Option<Stop>> {
        let owner = Key::of_kind("FederatedConfigMap.types.kubefed.io", "shop", object);
        let asks = clusters.iter().map(|cluster| Ask { cluster: (*cluster).into(), uid: object, cause }).collect();
        let none = BTreeSet::new();
        let round = Round { owner: &owner, owner_uid: object, copies: of, allowance, held_before: &none, asks };
        let facts = |cluster: &str| {
            Some(Facts {
                uid: "u".into(),
                copies: self.copies,
                allowance: self.allowance.get(cluster).cloned().unwrap_or_default(),
                ready: !self.silent.contains(cluster),
                before: if self.closed { Before::Closed } else { Before::Nothing },
            })
        };
        loop {
            let judged = judge(&mut self.book, &round, facts, &DeletionLimits::default(), self.now);
            // the record is written, and who waited for it asks again
            let mut wanted = self.book.members.values_mut().filter_map(|m| Some((m.cover.to_record(&m.day, self.now)?.1, m))).peekable();
            if wanted.peek().is_none() {
                return judged;
            }
            wanted.for_each(|(count, member)| member.cover.recorded(count));
            if judged.iter().all(|stop| !matches!(stop, Some(Stop::Wait(_)))) {
                return judged;
            }
        }
    }

    /// One object leaves one member, of ten that it is in; asked until it is judged.
    fn leave(&mut self, object: &str, cluster: &str) -> Option<Held> {
        loop {
            match self.ask(object, &[cluster], &ENOUGH, 10, "").pop().unwrap() {
                None => {
                    self.copies -= 1;
                    return None;
                }
                Some(Stop::Held(held)) => return Some(held),
                Some(Stop::Wait(pause)) => self.pass(pause),
            }
        }
    }

    /// Many objects leave one member at once: how many go and how many are held.
    fn wave(&mut self, objects: usize, cluster: &str) -> (usize, usize) {
        let mut left: BTreeSet<String> = (0..objects).map(|i| format!("o{i}")).collect();
        let mut went = 0;
        for _ in 0..20 {
            for object in left.clone() {
                if self.ask(&object, &[cluster], &ENOUGH, 10, "").pop().unwrap().is_none() {
                    left.remove(&object);
                    went += 1;
                    self.copies -= 1;
                }
            }
            self.pass(Duration::from_millis(250));
        }
        (went, left.len())
    }

    fn pass(&mut self, time: Duration) {
        self.now += i64::try_from(time.as_millis()).unwrap();
    }

    fn shown(&mut self, cluster: &str) -> Option<String> {
        match news(cluster, "kube-federation-system", self.book.members.get_mut(cluster)?)? {
            News::Flag(condition) => Some(condition.message),
            News::Unflag => None,
        }
    }

    fn id(&mut self, cluster: &str) -> String {
        self.shown(cluster).unwrap().split([' ', ':']).nth(1).unwrap().to_owned()
    }
}

fn held(stops: &[Option<Stop>]) -> usize {
    stops.iter().filter(|stop| matches!(stop, Some(Stop::Held(_)))).count()
}

#[test]
fn a_wave_that_is_too_large_is_held_before_its_first_goes() {
    assert_eq!(World::new(60).wave(21, "c"), (0, 21));
    assert_eq!(World::new(1000).wave(301, "c"), (0, 301));
}

#[test]
fn a_wave_within_the_limits_goes_after_a_moment() {
    assert_eq!(World::new(60).wave(20, "c"), (20, 0));
    assert_eq!(World::new(1000).wave(300, "c"), (300, 0));
}

#[test]
fn a_member_with_few_copies_lets_them_go_at_once() {
    let mut world = World::new(20);
    assert_eq!(world.ask("o", &["c"], &ENOUGH, 10, ""), [None]);
}

#[test]
fn waves_one_after_the_other_count_together_for_a_minute() {
    let mut world = World::new(60);
    assert_eq!(world.wave(15, "c"), (15, 0));
    assert_eq!((0..6).filter(|i| world.leave(&format!("p{i}"), "c").is_some()).count(), 1);
    assert_eq!(world.leave("q", "c"), Some(Held::TooMany), "what holds deletions holds later ones too");
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.leave("r", "c"), Some(Held::TooMany), "time alone opens nothing");
}

#[test]
fn a_slow_drain_is_held_within_the_day() {
    let mut world = World::new(100);
    let mut went = 0;
    let stopped = loop {
        match world.leave(&format!("o{went}"), "c") {
            None => went += 1,
            Some(held) => break held,
        }
        world.pass(Duration::from_secs(600));
    };
    assert_eq!((went, stopped), (50, Held::TooManyInADay));
}

#[test]
fn three_members_are_protected_too() {
    let mut world = World::new(5);
    assert_eq!(held(&world.ask("o", &["a", "b"], &ENOUGH, 3, "")), 0);
    let stops = world.ask("p", &["a", "b", "c"], &ENOUGH, 3, "");
    assert_eq!(held(&stops), 3, "{stops:?}");
}

#[test]
fn an_object_that_leaves_a_thousand_members_may_leave_half_of_them() {
    let names: Vec<String> = (0..1000).map(|i| format!("c{i:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(10);
    assert_eq!(held(&world.ask("one", &names[..500], &ENOUGH, 1000, "")), 0);
    assert_eq!(held(&world.ask("one", &names[500..510], &ENOUGH, 500, "")), 10, "what left a moment ago counts");
    let stops = world.ask("two", &names[..501], &ENOUGH, 1000, "");
    assert_eq!(held(&stops), 501);
    let Some(Stop::Held(Held::LeavesTooManyClusters { id, leaving, of, limit })) = &stops[0] else { panic!("{stops:?}") };
    assert_eq!((*leaving, *of, *limit), (501, 1000, 500));
    assert_eq!(held(&world.ask("two", &names[..502], &ENOUGH, 1000, id)), 502, "an id counts for what it was shown with");
    assert_eq!(held(&world.ask("two", &names[..501], &ENOUGH, 1000, id)), 0);
}

#[test]
fn an_object_does_not_leave_its_members_one_by_one_within_a_day() {
    let mut world = World::new(10);
    let went = (0..20).take_while(|i| {
        world.pass(Duration::from_secs(300));
        world.ask("o", &[&format!("c{i}")], &ENOUGH, 20 - i, "") == [None]
    });
    assert_eq!(went.count(), 15);
}

#[test]
fn the_last_healthy_copy_stays_until_somebody_says_otherwise() {
    let mut world = World::new(5);
    let last = Cause::Unplaced(Remaining::Nothing);
    let Some(Stop::Held(Held::LastHealthyCopy { id })) = world.ask("o", &["a"], &last, 1, "").remove(0) else { panic!("it went") };
    assert!(world.shown("a").unwrap().contains("1 LastHealthyCopy"));
    assert_eq!(world.ask("o", &["a"], &last, 1, &id), [None]);
}

#[test]
fn a_copy_that_is_to_be_replaced_goes_when_the_other_is_healthy_and_nobody_is_bothered() {
    let mut world = World::new(5);
    assert_eq!(held(&world.ask("o", &["a"], &Cause::Unplaced(Remaining::NotHealthyYet), 1, "")), 1);
    assert_eq!(world.shown("a"), None);
    assert_eq!(world.ask("o", &["a"], &ENOUGH, 2, ""), [None]);
}

#[test]
fn cascades_are_always_held_and_deleting_an_owner_never() {
    let mut world = World::new(100);
    let cascade = |allowed| Cause::Cascade { from: Cascade::NamespaceDeleted("shop".into()), id: "i".into(), allowed };
    assert_eq!(held(&world.ask("o", &["a"], &cascade(false), 1, "")), 1);
    assert!(world.shown("a").unwrap().contains("1 NamespaceDeleted"));
    assert_eq!(world.ask("o", &["a"], &cascade(true), 1, ""), [None]);
    for i in 0..100 {
        assert_eq!(world.ask(&format!("x{i}"), &["a"], &Cause::OwnerDeleted, 1, ""), [None]);
    }
    assert_eq!(world.leave("y", "a"), None, "deleted owners count for nothing");
}

#[test]
fn a_word_on_the_cluster_lets_go_exactly_what_was_shown() {
    let mut world = World::new(60);
    assert_eq!(world.wave(25, "c"), (0, 25));
    let id = world.id("c");
    assert_eq!(world.leave("later", "c"), Some(Held::TooMany));
    world.allowance.insert("c".into(), id.clone());
    assert_eq!(world.wave(25, "c"), (25, 0));
    assert_eq!(world.leave("later", "c"), Some(Held::TooMany), "it was not shown");
    assert_ne!(world.id("c"), id);
    let second = world.id("c");
    world.allowance.insert("c".into(), second);
    assert_eq!(world.leave("later", "c"), None);
    assert_eq!(world.shown("c"), None);
    assert_eq!(world.leave("after", "c"), None, "all was let go: few may go again");
}

#[test]
fn who_wants_them_back_needs_no_word() {
    let mut world = World::new(60);
    assert_eq!(world.wave(25, "c"), (0, 25));
    assert!(world.shown("c").is_some());
    for i in 0..25 {
        world.ask(&format!("o{i}"), &[], &ENOUGH, 10, "");
    }
    assert_eq!(world.shown("c"), None);
    assert_eq!(world.leave("other", "c"), None);
}

#[test]
fn a_member_that_falls_silent_does_not_open_the_gate() {
    let mut world = World::new(60);
    assert_eq!(world.wave(25, "c"), (0, 25));
    world.silent.insert("c".into());
    for i in 0..25 {
        world.ask(&format!("o{i}"), &[], &ENOUGH, 10, "");
    }
    assert!(world.shown("c").is_some());
}

#[test]
fn a_restart_does_not_open_the_gate() {
    let mut world = World::new(60);
    assert_eq!(world.wave(25, "c"), (0, 25));
    let id = world.id("c");
    let mut after = World { closed: true, ..World::new(60) };
    assert_eq!(after.leave("o0", "c"), Some(Held::TooMany), "the stored condition says that it is closed");
    assert_eq!(after.wave(25, "c"), (0, 25));
    assert_eq!(after.id("c"), id, "the same deletions have the same id");
    let mut empty = World { closed: true, ..World::new(60) };
    let member: Arc<str> = "c".into();
    empty.book.member(&member, "u", Before::Closed);
    assert!(empty.shown("c").is_none() && empty.book.members["c"].closed, "nobody has been asked yet");
}

#[test]
fn what_was_held_for_a_reason_of_its_own_closes_nothing_after_a_restart() {
    let mut world = World::new(60);
    let last = world.ask("only", &["c"], &Cause::Unplaced(Remaining::Nothing), 1, "").pop().unwrap();
    assert!(matches!(last, Some(Stop::Held(Held::LastHealthyCopy { .. }))), "{last:?}");
    let News::Flag(condition) = news("c", "ns", world.book.members.get_mut("c").unwrap()).unwrap() else { panic!() };
    assert_eq!(before(Some(&condition)), Before::Held);
    let mut after = Book::default();
    let member = after.member(&"c".into(), "u", Before::Held);
    assert!(!member.closed && news("c", "ns", member).is_none(), "the condition stands until somebody was asked");
    member.unconfirmed = false;
    assert_eq!(news("c", "ns", member), Some(News::Unflag));
}

#[test]
fn a_member_that_is_joined_anew_begins_anew() {
    let mut world = World { closed: true, ..World::new(60) };
    assert_eq!(world.leave("o", "c"), Some(Held::TooMany));
    world.book.member(&"c".into(), "other", Before::Nothing);
    assert!(!world.book.members["c"].closed);
}

#[test]
fn the_memory_of_what_left_is_bounded() {
    let mut world = World::new(10);
    for i in 0..(MOST_OBJECTS + 1000) {
        world.book.left(&Key::new("ns", &i.to_string()), START);
    }
    assert!(world.book.objects.len() <= MOST_OBJECTS);
    // a thousand members with a day behind them
    for i in 0..1000 {
        let name: Arc<str> = format!("c{i}").into();
        let member = world.book.member(&name, "u", Before::Nothing);
        (0..1000).for_each(|minute| member.day.add(START + minute * 60_000));
        assert!(member.day.to_text().len() < 600);
    }
}
