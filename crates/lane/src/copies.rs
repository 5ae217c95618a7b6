//! The copies of one target in one member: compact records, fed by a watch and by the lane's own writes.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use comity_core::{
    Value,
    marks::{self, Marked},
    object,
};
use parking_lot::{Mutex, RwLock};
use tokio::{sync::Notify, time::Instant};

use crate::{
    absent::Absent,
    cache::{
        Interest,
        reflector::{self, Known, Sink},
    },
    client::{ClientError, ClusterClient},
    compact::Compact,
    copy::{Applied, Copy, Holder},
    target::Target,
};

/// Told the namespace and name of every copy whose record changed, and two empty texts when what is known of all of
/// them changed. It must not block.
pub type OnCopy = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Told when a watch finds that the member does not answer, or not to these credentials. It must not block.
pub type OnSilence = Arc<dyn Fn() + Send + Sync>;

/// So many deleted copies are remembered.
const GONE: usize = 256;
/// A watch that is in trouble for so long is behind: what is known may no longer be so.
const BEHIND: Duration = Duration::from_secs(3);

/// What is known of one copy.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Its record.
    Present(Arc<Copy>),
    /// It does not exist.
    Absent,
    /// The member does not serve the kind.
    NotServed,
    /// Nobody knows yet; the text says why where something stands in the way.
    Unknown(String),
}

/// The index. It outlives changes of the connection: what a lost watch leaves unseen stays as it was last known.
pub struct Copies {
    target: Arc<Target>,
    hub: Arc<str>,
    rows: RwLock<Rows>,
    on_copy: OnCopy,
    on_silence: OnSilence,
    retry_now: Notify,
    newest_epoch: AtomicU64,
    watch: Mutex<Option<tokio::task::AbortHandle>>,
}

#[derive(Default)]
struct Rows {
    by_namespace: HashMap<Arc<str>, HashMap<Box<str>, Arc<Copy>>>,
    synced: bool,
    trouble: Option<ClientError>,
    /// Since when there is trouble, and whether it has been told that what is known is behind.
    since: Option<Instant>,
    behind: bool,
    /// UIDs of copies that were seen to be gone after a delete; a list that was made before it does not bring them back.
    gone: VecDeque<Compact>,
    /// UIDs of copies that the watch told to be gone, and when: a late answer to a write does not bring them back.
    deleted: VecDeque<(Compact, u64)>,
    /// Names under which the member itself said that there is no copy of ours.
    absent: Absent,
    /// The highest revision that the watch has told.
    passed: u64,
}

impl Rows {
    fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Copy>> {
        self.by_namespace.get(namespace)?.get(name)
    }

    /// That a copy is not in the index is no proof: a list may have lacked it.
    fn told_gone(&self, copy: &Copy) -> bool {
        self.deleted.iter().any(|(uid, revision)| *uid == copy.uid && *revision >= copy.revision())
    }

    fn settle(&mut self, trouble: Option<&ClientError>) {
        self.trouble = trouble.cloned();
        let now = Instant::now();
        self.since = trouble.and(self.since.or(Some(now)));
        self.behind = trouble.is_some_and(|error| !error.is_not_found()) && self.since.is_some_and(|since| now - since >= BEHIND);
    }

    fn put(&mut self, namespace: &str, name: &str, copy: Copy) {
        self.absent.forget(namespace, name);
        let names = match self.by_namespace.get_mut(namespace) {
            Some(names) => names,
            None => self.by_namespace.entry(namespace.into()).or_default(),
        };
        names.insert(name.into(), Arc::new(copy));
    }

    fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<Copy>> {
        let names = self.by_namespace.get_mut(namespace)?;
        let removed = names.remove(name);
        if names.is_empty() {
            self.by_namespace.remove(namespace);
        }
        removed
    }
}

impl Copies {
    /// An empty index that nothing feeds yet.
    pub fn new(target: Arc<Target>, hub: Arc<str>, on_copy: OnCopy, on_silence: OnSilence) -> Arc<Self> {
        let (rows, watch) = (RwLock::default(), Mutex::default());
        Arc::new(Self { target, hub, rows, on_copy, on_silence, retry_now: Notify::new(), newest_epoch: AtomicU64::new(0), watch })
    }

    /// Follows the member through this client; a watch through an earlier one ends.
    pub fn follow(self: &Arc<Self>, client: ClusterClient) {
        let interest = Interest { gvr: self.target.gvr.clone(), label_selector: self.target.selector.clone(), ..Interest::default() };
        let task = tokio::spawn(reflector::run(client, interest, self.clone()));
        if let Some(earlier) = self.watch.lock().replace(task.abort_handle()) {
            earlier.abort();
        }
    }

    /// Forgets everything: another cluster answers under this name now.
    pub fn forget(&self) {
        *self.rows.write() = Rows::default();
        self.newest_epoch.store(0, Ordering::Relaxed);
    }

    /// Ends the watch.
    pub fn stop(&self) {
        if let Some(watch) = self.watch.lock().take() {
            watch.abort();
        }
    }

    /// Ends a pause of the watch after a failure.
    pub fn retry_now(&self) {
        self.retry_now.notify_one();
    }

    /// The target.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// What is known of one copy.
    pub fn see(&self, namespace: &str, name: &str) -> Seen {
        let rows = self.rows.read();
        match (rows.get(namespace, name), &rows.trouble) {
            (Some(copy), _) => Seen::Present(copy.clone()),
            (None, Some(error)) if error.is_not_found() => Seen::NotServed,
            (None, None) if rows.synced => Seen::Absent,
            (None, Some(error)) if !rows.synced => Seen::Unknown(error.to_string()),
            (None, Some(_)) => Seen::Absent,
            (None, None) => Seen::Unknown(String::new()),
        }
    }

    /// Whether the member itself said that nothing of ours is there, and not only a list that lacks it.
    pub fn is_gone(&self, namespace: &str, name: &str) -> bool {
        let rows = self.rows.read();
        rows.get(namespace, name).is_none() && rows.absent.holds(namespace, name)
    }

    /// Why what is known may no longer be so; `None` while the watch runs, and for a kind that is not served.
    pub fn behind(&self) -> Option<String> {
        let rows = self.rows.read();
        rows.trouble.as_ref().filter(|_| rows.synced && rows.behind).map(ToString::to_string)
    }

    /// What keeps the copies from being known: nothing has been read yet, or for some time.
    pub fn obstacle(&self) -> Option<String> {
        let rows = self.rows.read();
        rows.trouble.as_ref().filter(|error| (rows.behind || !rows.synced) && !error.is_not_found()).map(ToString::to_string)
    }

    /// Namespaces and names of all copies, sorted.
    pub fn names(&self) -> BTreeSet<(String, String)> {
        let rows = self.rows.read();
        let names =
            rows.by_namespace.iter().flat_map(|(namespace, names)| names.keys().map(move |name| (namespace.to_string(), name.to_string())));
        names.collect()
    }

    /// Calls with namespace, name and record of every copy.
    pub fn each(&self, mut look: impl FnMut(&str, &str, &Copy)) {
        for (namespace, names) in &self.rows.read().by_namespace {
            names.iter().for_each(|(name, copy)| look(namespace, name, copy));
        }
    }

    /// The highest epoch of this hub that a mark has named here; 0 when none has.
    pub fn newest_epoch(&self) -> u64 {
        self.newest_epoch.load(Ordering::Relaxed)
    }

    /// How many copies there are.
    pub fn len(&self) -> usize {
        self.rows.read().by_namespace.values().map(HashMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is known what the member has, or that it cannot be known now.
    pub fn is_answered(&self) -> bool {
        let rows = self.rows.read();
        rows.synced || rows.trouble.is_some()
    }

    /// Whether the member's copies have been listed since the start.
    pub fn is_synced(&self) -> bool {
        self.rows.read().synced
    }

    /// Takes in the answer of an own write, so that the next look shows it even before the watch does.
    pub(crate) fn wrote(&self, answer: &Value, content: u64) {
        let mut copy = self.read(answer);
        copy.applied = Some(Applied { content, digest: copy.digest });
        let (namespace, name) = (object::namespace(answer), object::name(answer));
        {
            let mut rows = self.rows.write();
            let known = rows.get(namespace, name).filter(|known| known.uid == copy.uid);
            match known {
                // the watch was faster: only what was applied is news
                Some(known) if known.revision() > copy.revision() => {
                    let mut newer = Copy::clone(known);
                    newer.applied = copy.applied;
                    rows.put(namespace, name, newer);
                }
                None if rows.told_gone(&copy) => {
                    tracing::debug!(name, "the copy is gone again, or has lost its label, since it was written");
                }
                _ => rows.put(namespace, name, copy),
            }
        }
        (self.on_copy)(namespace, name);
    }

    /// Takes in an object that is only looked at, for its status.
    pub(crate) fn looked(&self, live: &Value) {
        let matters = self.put_newer(&mut self.rows.write(), live);
        if matters {
            (self.on_copy)(object::namespace(live), object::name(live));
        }
    }

    /// Takes in the answer of an own delete: a state that is going away, or none.
    pub(crate) fn deleted_by_us(&self, namespace: &str, name: &str, uid: &str, going: Option<&Value>) {
        {
            let mut rows = self.rows.write();
            if rows.get(namespace, name).is_some_and(|known| known.uid == *uid) {
                match going {
                    Some(going) => drop(self.put_newer(&mut rows, going)),
                    None => {
                        rows.remove(namespace, name);
                        rows.absent.note(namespace, name);
                    }
                }
            }
        }
        (self.on_copy)(namespace, name);
    }

    /// The member is about to be asked to make one.
    pub(crate) fn may_come(&self, namespace: &str, name: &str) {
        self.rows.write().absent.forget(namespace, name);
    }

    /// The member was asked, and has nothing of ours under this name.
    pub(crate) fn found_nothing(&self, namespace: &str, name: &str) {
        let mut rows = self.rows.write();
        if rows.get(namespace, name).is_none() {
            rows.absent.note(namespace, name);
        }
    }

    /// An own delete has ended and nothing of the copy is left.
    pub(crate) fn gone(&self, namespace: &str, name: &str, uid: &str) {
        {
            let mut rows = self.rows.write();
            if rows.gone.len() >= GONE {
                rows.gone.pop_front();
            }
            rows.gone.push_back(uid.into());
        }
        self.deleted_by_us(namespace, name, uid, None);
    }

    /// Tells the listener to look again.
    pub(crate) fn touch(&self, namespace: &str, name: &str) {
        (self.on_copy)(namespace, name);
    }

    /// The own hub's id.
    pub(crate) fn hub(&self) -> &str {
        &self.hub
    }

    fn read(&self, live: &Value) -> Copy {
        let copy = Copy::read(live, &self.target, &self.hub);
        let epoch = match &copy.holder {
            Holder::Nobody => 0,
            Holder::Us(hold) => hold.epoch,
            // a copy of another owner on this hub tells as much about the hub's age
            Holder::Other(_) => match marks::read(live) {
                Marked::Owned(mark) if mark.hub == *self.hub => mark.epoch,
                _ => 0,
            },
        };
        self.newest_epoch.fetch_max(epoch, Ordering::Relaxed);
        copy
    }

    /// Replaces the record unless it is newer; what was applied is carried over. Whether something changed.
    fn put_newer(&self, rows: &mut Rows, live: &Value) -> bool {
        rows.put_newer(object::namespace(live), object::name(live), self.read(live))
    }
}

/// One object of a list.
pub(crate) struct Row {
    namespace: Arc<str>,
    name: Box<str>,
    copy: Copy,
}

impl Rows {
    /// Replaces the record unless it is newer; what was applied is carried over. Whether something changed.
    fn put_newer(&mut self, namespace: &str, name: &str, mut copy: Copy) -> bool {
        let rows = self;
        if let Some(known) = rows.get(namespace, name).filter(|known| known.uid == copy.uid) {
            if known.revision() >= copy.revision() {
                return false;
            }
            copy.applied = known.applied;
            let matters = Copy { resource_version: known.resource_version.clone(), ..copy.clone() } != **known;
            rows.put(namespace, name, copy);
            return matters;
        }
        rows.put(namespace, name, copy);
        true
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Sink for Copies {
    type Item = Row;

    fn keep(&self, object: Value) -> Row {
        Row { namespace: object::namespace(&object).into(), name: object::name(&object).into(), copy: self.read(&object) }
    }

    fn missing(&self, listed: &[Row], revision: &str) -> Vec<Known> {
        let listed: HashSet<(&str, &str)> = listed.iter().map(|row| (&*row.namespace, &*row.name)).collect();
        let revision: u64 = revision.parse().unwrap_or(0);
        let rows = self.rows.read();
        let all = rows.by_namespace.iter().flat_map(|(namespace, names)| names.iter().map(move |(name, copy)| (namespace, name, copy)));
        all.filter(|(namespace, name, copy)| !listed.contains(&(&***namespace, &***name)) && copy.revision() <= revision)
            .map(|(namespace, name, copy)| Known { namespace: namespace.to_string(), name: name.to_string(), uid: copy.uid.to_string() })
            .collect()
    }

    fn set_back(&self) {
        self.forget();
    }

    fn listed(&self, items: Vec<Row>, revision: &str) {
        let mut changed = BTreeSet::new();
        let news;
        {
            let mut rows = self.rows.write();
            let listed: BTreeSet<(&str, &str)> = items.iter().map(|row| (&*row.namespace, &*row.name)).collect();
            let revision: u64 = revision.parse().unwrap_or(0);
            let gone: Vec<(Arc<str>, Box<str>)> = rows
                .by_namespace
                .iter()
                .flat_map(|(namespace, names)| names.iter().map(move |(name, copy)| (namespace, name, copy)))
                // what was written after the list was made is not gone
                .filter(|(namespace, name, copy)| !listed.contains(&(&***namespace, &***name)) && copy.revision() <= revision)
                .map(|(namespace, name, _)| (namespace.clone(), name.clone()))
                .collect();
            for (namespace, name) in gone {
                rows.remove(&namespace, &name);
                changed.insert((namespace.to_string(), name.to_string()));
            }
            let first = !rows.synced;
            news = first || rows.behind || rows.trouble.is_some();
            drop(listed);
            for Row { namespace, name, copy } in items {
                if rows.gone.contains(&copy.uid) && !copy.deleting {
                    continue;
                }
                if rows.put_newer(&namespace, &name, copy) || first {
                    changed.insert((namespace.to_string(), name.into_string()));
                }
            }
            rows.synced = true;
            rows.settle(None);
            rows.passed = rows.passed.max(revision);
        }
        for (namespace, name) in changed {
            (self.on_copy)(&namespace, &name);
        }
        if news {
            (self.on_copy)("", "");
        }
    }

    fn changed(&self, live: Value, revision: &str) {
        let matters = {
            let mut rows = self.rows.write();
            rows.passed = rows.passed.max(revision.parse().unwrap_or(0));
            self.put_newer(&mut rows, &live)
        };
        if matters {
            (self.on_copy)(object::namespace(&live), object::name(&live));
        }
    }

    fn deleted(&self, last: Value, revision: &str) {
        let (namespace, name) = (object::namespace(&last), object::name(&last));
        {
            let mut rows = self.rows.write();
            let revision: u64 = revision.parse().unwrap_or(0);
            rows.passed = rows.passed.max(revision);
            let newer = rows.get(namespace, name).is_some_and(|known| known.revision() > revision);
            if newer {
                return;
            }
            // one that only lost its label is told to be deleted as well
            let was_going = rows.remove(namespace, name).is_some_and(|known| known.deleting);
            if was_going || object::is_deleting(&last) {
                rows.absent.note(namespace, name);
            }
            if rows.deleted.len() >= GONE {
                rows.deleted.pop_front();
            }
            rows.deleted.push_back((object::uid(&last).into(), revision));
        }
        (self.on_copy)(namespace, name);
    }

    fn passed(&self, revision: &str) {
        let mut rows = self.rows.write();
        rows.passed = rows.passed.max(revision.parse().unwrap_or(0));
    }

    fn trouble(&self, error: Option<&ClientError>) {
        let changed = {
            let mut rows = self.rows.write();
            let text = |error: Option<&ClientError>| error.map(ToString::to_string);
            let unserved = |error: Option<&ClientError>| error.is_some_and(ClientError::is_not_found);
            let other = text(rows.trouble.as_ref()) != text(error);
            let matters = !rows.synced || unserved(rows.trouble.as_ref()) || unserved(error);
            let behind = rows.behind;
            rows.settle(error);
            other && matters || behind != rows.behind
        };
        if changed {
            (self.on_copy)("", "");
        }
        if matches!(error, Some(ClientError::Unreachable(_) | ClientError::Timeout | ClientError::Unauthorized(_))) {
            (self.on_silence)();
        }
    }

    async fn retry_now(&self) {
        self.retry_now.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;
    use crate::copy::tests::target;

    fn copies() -> (Arc<Copies>, Arc<Mutex<Vec<String>>>) {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let tell = told.clone();
        let on_copy: OnCopy = Arc::new(move |namespace: &str, name: &str| tell.lock().push(format!("{namespace}/{name}")));
        (Copies::new(Arc::new(target()), "h".into(), on_copy, Arc::new(|| {})), told)
    }

    fn live(version: u64, text: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": version.to_string(),
            "managedFields": [{"manager": "comity-federation", "operation": "Apply", "fieldsV1": {"f:data": {"f:k": {}}}}]}, "data": {"k": text}})
    }

    fn present(copies: &Copies) -> Arc<Copy> {
        match copies.see("ns", "n") {
            Seen::Present(copy) => copy,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_own_write_shows_before_the_watch_tells_it_and_is_no_news_then() {
        let (copies, told) = copies();
        copies.listed(Vec::new(), "1");
        copies.wrote(&live(5, "v"), 77);
        assert!(present(&copies).is_as_applied(77));
        told.lock().clear();
        copies.changed(live(5, "v"), "5");
        assert!(told.lock().is_empty());
        copies.changed(live(6, "drift"), "6");
        assert!(!present(&copies).is_as_applied(77));
        assert_eq!(*told.lock(), ["ns/n"]);
    }

    #[test]
    fn a_watch_that_is_faster_than_the_answer_wins() {
        let (copies, _) = copies();
        copies.changed(live(6, "drift"), "6");
        copies.wrote(&live(5, "v"), 77);
        assert!(present(&copies).resource_version == *"6");
        assert!(!present(&copies).is_as_applied(77));
    }

    #[test]
    fn a_late_answer_does_not_bring_back_what_was_deleted() {
        let (copies, _) = copies();
        copies.listed(Vec::new(), "1");
        copies.changed(live(5, "v"), "5");
        copies.deleted(live(7, "v"), "7");
        copies.wrote(&live(5, "v"), 77);
        assert_eq!(copies.see("ns", "n"), Seen::Absent);
    }

    #[test]
    fn an_answer_shows_a_copy_that_a_list_has_lacked() {
        let (copies, _) = copies();
        copies.listed(Vec::new(), "9");
        copies.wrote(&live(5, "v"), 77);
        assert!(present(&copies).is_as_applied(77));
    }

    #[test]
    fn a_list_that_was_made_before_a_delete_does_not_bring_the_copy_back() {
        let (copies, _) = copies();
        copies.listed(vec![copies.keep(live(5, "v"))], "5");
        copies.gone("ns", "n", "u");
        copies.listed(vec![copies.keep(live(5, "v"))], "6");
        assert_eq!(copies.see("ns", "n"), Seen::Absent);
    }

    #[test]
    fn a_list_takes_away_what_it_does_not_name_but_for_what_was_written_after_it() {
        let (copies, _) = copies();
        copies.changed(live(5, "v"), "5");
        copies.listed(Vec::new(), "4");
        assert!(present(&copies).resource_version == *"5");
        copies.listed(Vec::new(), "8");
        assert_eq!(copies.see("ns", "n"), Seen::Absent);
    }

    #[test]
    fn a_list_is_no_proof_that_a_copy_is_gone_and_an_answer_is() {
        let (copies, _) = copies();
        copies.listed(vec![copies.keep(live(5, "v"))], "5");
        copies.listed(Vec::new(), "8");
        assert!(copies.see("ns", "n") == Seen::Absent && !copies.is_gone("ns", "n"));
        copies.found_nothing("ns", "n");
        assert!(copies.is_gone("ns", "n"));
        copies.changed(live(9, "v"), "9");
        assert!(!copies.is_gone("ns", "n"));
        copies.deleted(live(10, "v"), "10");
        assert!(!copies.is_gone("ns", "n"), "it may only have lost its label");
        copies.changed(live(11, "v"), "11");
        copies.gone("ns", "n", "u");
        assert!(copies.is_gone("ns", "n"));
        copies.may_come("ns", "n");
        assert!(!copies.is_gone("ns", "n"), "a write may be carried out though no answer came");
    }

    #[test]
    fn a_change_of_what_others_own_is_no_news() {
        let (copies, told) = copies();
        copies.listed(vec![copies.keep(live(5, "v"))], "5");
        told.lock().clear();
        let mut other = live(6, "v");
        other["data"]["theirs"] = "x".into();
        copies.changed(other, "6");
        assert!(told.lock().is_empty());
        assert!(present(&copies).resource_version == *"6");
    }

    #[test]
    fn an_unserved_kind_is_known_until_it_is_served() {
        let (copies, told) = copies();
        let error = ClientError::of_status(comity_core::Status::no_such_resource());
        copies.trouble(Some(&error));
        assert_eq!(copies.see("ns", "n"), Seen::NotServed);
        copies.listed(Vec::new(), "1");
        assert_eq!(copies.see("ns", "n"), Seen::Absent);
        assert_eq!(*told.lock(), ["/", "/"]);
    }
}
