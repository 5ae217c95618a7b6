//! The one place where writes get their order: check, make durable, publish, answer.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::backend::Backend;
use crate::body::Body;
use crate::entry::{Entry, Event, EventKind};
use crate::error::WriteError;
use crate::facts::Facts;
use crate::key::Key;
use crate::maintenance::Alarm;
use crate::options::FatalHook;
use crate::space::Reserve;
use crate::state::State;
use crate::store::Expect;

/// The most writes and bytes that become durable together.
const GROUP: usize = 1024;
const GROUP_BYTES: usize = 4 << 20;

pub(crate) type Answer = Result<Arc<Entry>, WriteError>;

/// A prepared write on its way to the sequencer.
pub(crate) struct Write {
    pub key: Key,
    pub expect: Expect,
    pub operation: Operation,
    pub answer: oneshot::Sender<Answer>,
}

pub(crate) enum Operation {
    Put {
        body: Body,
        facts: Facts,
        /// Whether it is a step of a deletion, which a full disk does not stop.
        frees: bool,
    },
    /// With the last state when it differs from the stored one.
    Delete(Option<(Body, Facts)>),
}

impl Write {
    fn bytes(&self) -> usize {
        match &self.operation {
            Operation::Put { body, .. } | Operation::Delete(Some((body, _))) => body.size(),
            Operation::Delete(None) => 0,
        }
    }
}

pub(crate) struct Committer {
    pub state: Arc<State>,
    pub backend: Box<dyn Backend>,
    pub on_fatal: Option<FatalHook>,
    pub alarm: Option<Arc<Alarm>>,
    pub reserve: Option<Arc<Reserve>>,
}

/// A write's result that waits for its group.
type Waiting = (oneshot::Sender<Answer>, Answer);

/// Commits groups until all senders are gone: whatever arrived while a group was written is the next one.
pub(crate) fn run(mut committer: Committer, mut queue: mpsc::Receiver<Write>) {
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while group.len() < GROUP && bytes < GROUP_BYTES {
            let Ok(write) = queue.try_recv() else { break };
            bytes += write.bytes();
            group.push(write);
        }
        committer.commit(group);
    }
}

impl Committer {
    /// Commits a group of writes and answers all of them.
    pub fn commit(&mut self, group: Vec<Write>) {
        if let Some(cause) = self.state.failure() {
            for write in group {
                let _ = write.answer.send(Err(WriteError::Failed(cause.clone())));
            }
            return;
        }
        let (events, waiting) = self.check(group);
        if !events.is_empty() {
            if let Err(cause) = self.backend.commit(&events) {
                return self.fail(&cause, waiting);
            }
            self.state.publish(&events);
            if let Some(alarm) = &self.alarm {
                alarm.written();
            }
        }
        for (answer, result) in waiting {
            let _ = answer.send(result);
        }
    }

    /// Decides each write in order. What depends on nothing in this group is answered at once.
    fn check(&self, group: Vec<Write>) -> (Vec<Arc<Event>>, Vec<Waiting>) {
        let mut rev = self.state.revision();
        let takes_space = |write: &Write| matches!(write.operation, Operation::Put { frees: false, .. });
        let reserve = self.reserve.as_ref().filter(|_| group.iter().any(takes_space));
        let short = reserve.and_then(|reserve| reserve.short());
        let mut changed: HashMap<Key, Option<Arc<Entry>>> = HashMap::new();
        let mut events = Vec::with_capacity(group.len());
        let mut waiting = Vec::with_capacity(group.len());
        for write in group {
            if let Some(free) = short.filter(|_| takes_space(&write)) {
                let _ = write.answer.send(Err(WriteError::Full { free }));
                continue;
            }
            let (current, durable) = match changed.get(&write.key) {
                Some(current) => (current.clone(), false),
                None => (self.state.get(&write.key), true),
            };
            match decide(write.key, write.expect, write.operation, current, rev + 1) {
                Decision::Event(event) => {
                    rev += 1;
                    let event = Arc::new(event);
                    let now = (event.kind == EventKind::Put).then(|| event.entry.clone());
                    changed.insert(event.entry.key.clone(), now);
                    waiting.push((write.answer, Ok(event.entry.clone())));
                    events.push(event);
                }
                Decision::Answer(result) if durable => {
                    let _ = write.answer.send(result);
                }
                Decision::Answer(result) => waiting.push((write.answer, result)),
            }
        }
        (events, waiting)
    }

    fn fail(&self, cause: &str, waiting: Vec<Waiting>) {
        self.state.fail_for_good(cause, self.on_fatal.as_ref());
        for (answer, _) in waiting {
            let _ = answer.send(Err(WriteError::Failed(cause.into())));
        }
    }
}

enum Decision {
    Event(Event),
    Answer(Answer),
}

/// What becomes of a write, given the object's state.
fn decide(key: Key, expect: Expect, operation: Operation, current: Option<Arc<Entry>>, rev: u64) -> Decision {
    let expected = match (expect, &current) {
        (Expect::Any, _) | (Expect::Absent, None) => true,
        (Expect::Rev(rev), Some(entry)) => entry.rev == rev,
        (Expect::Absent, Some(_)) | (Expect::Rev(_), None) => false,
    };
    if !expected {
        return Decision::Answer(Err(WriteError::Conflict { current }));
    }
    match (operation, current) {
        (Operation::Put { body, .. }, Some(entry)) if entry.body == body => Decision::Answer(Ok(entry)),
        (Operation::Put { body, facts, .. }, previous) => {
            let (key, create_rev, facts) = match &previous {
                Some(earlier) => (earlier.key.clone(), earlier.create_rev, facts.after(&earlier.facts)),
                None => (key, rev, Arc::new(facts)),
            };
            let entry = Arc::new(Entry { key, rev, create_rev, body, facts });
            Decision::Event(Event { kind: EventKind::Put, entry, previous, rev })
        }
        (Operation::Delete(_), None) => Decision::Answer(Err(WriteError::Conflict { current: None })),
        (Operation::Delete(last), Some(previous)) => {
            let (body, facts) = match last {
                Some((body, facts)) => (body, facts.after(&previous.facts)),
                None => (previous.body.clone(), previous.facts.clone()),
            };
            let entry = Arc::new(Entry { key: previous.key.clone(), rev, create_rev: previous.create_rev, body, facts });
            Decision::Event(Event { kind: EventKind::Delete, entry, previous: Some(previous), rev })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use comity_core::json;

    use super::*;
    use crate::history::HistoryLimits;

    /// A disk that takes some groups and then fails.
    struct Failing {
        good: usize,
        groups: Vec<usize>,
    }

    impl Backend for Failing {
        fn commit(&mut self, events: &[Arc<Event>]) -> Result<(), String> {
            self.groups.push(events.len());
            if self.groups.len() > self.good { Err("the disk is gone".into()) } else { Ok(()) }
        }
    }

    fn committer(good: usize, on_fatal: Option<FatalHook>) -> Committer {
        let state = Arc::new(State::new(1, 1, HistoryLimits::default()));
        Committer { state, backend: Box::new(Failing { good, groups: Vec::new() }), on_fatal, alarm: None, reserve: None }
    }

    fn put(name: &str, expect: Expect, value: u8) -> (Write, oneshot::Receiver<Answer>) {
        let object = json!({"metadata": {"name": name}, "v": value});
        let operation = Operation::Put { body: Body::of(&object).unwrap(), facts: Facts::of_metadata(&object), frees: false };
        let (answer, result) = oneshot::channel();
        (Write { key: Key::new("pods", "a", name), expect, operation, answer }, result)
    }

    #[test]
    fn writes_of_one_group_see_each_other() {
        let mut committer = committer(9, None);
        let (one, mut first) = put("x", Expect::Absent, 1);
        let (two, mut second) = put("x", Expect::Absent, 2);
        let (three, mut third) = put("x", Expect::Rev(2), 3);
        let (four, mut fourth) = put("x", Expect::Rev(3), 3);
        committer.commit(vec![one, two, three, four]);
        assert_eq!(first.try_recv().unwrap().unwrap().rev, 2);
        assert!(matches!(second.try_recv().unwrap(), Err(WriteError::Conflict { current: Some(entry) }) if entry.rev == 2));
        assert_eq!(third.try_recv().unwrap().unwrap().rev, 3);
        assert_eq!(fourth.try_recv().unwrap().unwrap().rev, 3, "nothing changed");
        assert_eq!(committer.state.revision(), 3);
    }

    #[test]
    fn after_a_failed_write_nothing_is_published_and_nothing_more_is_accepted() {
        let called = Arc::new(AtomicUsize::new(0));
        let counter = called.clone();
        let hook: FatalHook = Arc::new(move |cause| {
            assert_eq!(cause, "the disk is gone");
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let mut committer = committer(1, Some(hook));
        let (good, mut result) = put("x", Expect::Absent, 1);
        committer.commit(vec![good]);
        let before = result.try_recv().unwrap().unwrap();
        for _ in 0..2 {
            let (bad, mut result) = put("x", Expect::Any, 2);
            let (conflict, mut other) = put("y", Expect::Rev(7), 2);
            committer.commit(vec![bad, conflict]);
            assert!(matches!(result.try_recv().unwrap(), Err(WriteError::Failed(cause)) if &*cause == "the disk is gone"));
            assert!(other.try_recv().unwrap().is_err());
        }
        assert_eq!(committer.state.get(&before.key).unwrap(), before);
        assert_eq!((committer.state.revision(), called.load(Ordering::Relaxed)), (2, 1));
    }
}
