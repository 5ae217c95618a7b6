//! Which members each federated object of a type concerns, and which objects a member concerns.
//!
//! A round looks at the members that its object is placed in, and at those that hold, or may yet come to hold, a copy of
//! it; a change of a member is news for the objects that it concerns. Neither looks at everything.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use comity_api_kubefed::{cluster::Labels, federated};
use comity_core::{Value, object};
use comity_fleet::Fleet;
use comity_lane::Compact;
use comity_placement::{Placement, selects};
use parking_lot::RwLock;

use crate::validate;

/// A namespace and a name.
pub(crate) type Place = (Arc<str>, Arc<str>);

/// The members as placements see them.
pub(crate) trait Members {
    /// Names and labels of all.
    fn all(&self) -> Vec<(Arc<str>, Arc<Labels>)>;
    /// The labels of one; `None` while it is not joined.
    fn labels(&self, name: &str) -> Option<Arc<Labels>>;
}

impl Members for Fleet {
    fn all(&self) -> Vec<(Arc<str>, Arc<Labels>)> {
        self.members().values().map(|member| (member.name.clone(), member.labels())).collect()
    }

    fn labels(&self, name: &str) -> Option<Arc<Labels>> {
        self.member(name).map(|member| member.labels())
    }
}

/// What is known of an owner without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub uid: Compact,
    pub generation: i64,
}

/// The index of one type.
#[derive(Default)]
pub(crate) struct Owners(RwLock<Known>);

#[derive(Default)]
struct Known {
    ids: HashMap<Arc<str>, HashMap<Arc<str>, u32>>,
    rows: Vec<Row>,
    free: Vec<u32>,
    /// Placements in use, by how they are written.
    wishes: HashMap<Arc<str>, Wish>,
    /// Objects that are being deleted.
    going: BTreeSet<u32>,
    /// Members' names by number, and their numbers: a copy costs four bytes here.
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

#[derive(Default)]
struct Row {
    namespace: Arc<str>,
    name: Arc<str>,
    owner: Option<Owner>,
    wish: Option<Arc<str>>,
    /// Members that hold a copy, or may.
    holders: Vec<u32>,
}

/// A placement, the members that it selects, and the objects that have it.
struct Wish {
    placement: Placement,
    members: HashSet<Arc<str>>,
    rows: HashSet<u32>,
}

impl Owners {
    /// An owner appeared or changed.
    pub fn put(&self, owner: &Value, members: &impl Members) {
        let mut known = self.0.write();
        let id = known.id(object::namespace(owner), object::name(owner));
        let text = written(owner);
        if known.rows[id as usize].wish.as_deref() != Some(&*text) {
            known.unwish(id);
            let wish: Arc<str> = text.into();
            known.wishes.entry(wish.clone()).or_insert_with(|| Wish::of(owner, members)).rows.insert(id);
            known.rows[id as usize].wish = Some(wish);
        }
        known.rows[id as usize].owner = Some(Owner { uid: object::uid(owner).into(), generation: object::generation(owner) });
        if object::is_deleting(owner) {
            known.going.insert(id);
        } else {
            known.going.remove(&id);
        }
    }

    /// An owner is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        let mut known = self.0.write();
        let Some(id) = known.find(namespace, name) else { return };
        known.unwish(id);
        known.going.remove(&id);
        known.rows[id as usize].owner = None;
        known.sweep(id);
    }

    /// What is known of an owner.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Owner> {
        let known = self.0.read();
        let id = known.find(namespace, name)?;
        known.rows[id as usize].owner.clone()
    }

    /// A member holds a copy, or is asked to make one.
    pub fn may_hold(&self, namespace: &str, name: &str, member: &str) {
        let mut known = self.0.write();
        let (id, number) = (known.id(namespace, name), known.number(member));
        let holders = &mut known.rows[id as usize].holders;
        if let Err(at) = holders.binary_search(&number) {
            holders.insert(at, number);
        }
    }

    /// A member holds none, if that is still so now: what begins to be held afterwards is told afterwards.
    pub fn holds_not(&self, namespace: &str, name: &str, member: &str, still: impl FnOnce() -> bool) {
        let mut known = self.0.write();
        let Some((id, number)) = known.find(namespace, name).zip(known.numbers.get(member).copied()) else { return };
        let row = &mut known.rows[id as usize];
        let Ok(at) = row.holders.binary_search(&number) else { return };
        if still() {
            row.holders.remove(at);
            known.sweep(id);
        }
    }

    /// The members that may hold a copy.
    pub fn holders(&self, namespace: &str, name: &str) -> Vec<Arc<str>> {
        let known = self.0.read();
        let Some(id) = known.find(namespace, name) else { return Vec::new() };
        known.rows[id as usize].holders.iter().map(|number| known.names[*number as usize].clone()).collect()
    }

    /// The members that an object concerns: those that its placement selects, and those that may hold a copy.
    pub fn members_of(&self, owner: &Value, members: &impl Members) -> BTreeSet<Arc<str>> {
        let (namespace, name) = (object::namespace(owner), object::name(owner));
        let known = self.0.read();
        let mut all = BTreeSet::new();
        if let Some(id) = known.find(namespace, name) {
            all.extend(known.rows[id as usize].holders.iter().map(|number| known.names[*number as usize].clone()));
        }
        match known.wishes.get(&*written(owner)) {
            Some(wish) => all.extend(wish.members.iter().cloned()),
            // the object is newer than what was told of it
            None => all.extend(Wish::of(owner, members).members),
        }
        all
    }

    /// How many members an object concerns, about.
    pub fn spread(&self, namespace: &str, name: &str) -> usize {
        let known = self.0.read();
        let Some(row) = known.find(namespace, name).map(|id| &known.rows[id as usize]) else { return 0 };
        let selected = row.wish.as_ref().and_then(|wish| known.wishes.get(wish)).map_or(0, |wish| wish.members.len());
        selected.max(row.holders.len())
    }

    /// A member joined, left or changed: the objects that its placement concerns now or did before, and those on their
    /// way out. Who holds copies there is for its index to say.
    pub fn member_changed(&self, member: &str, members: &impl Members) -> Vec<Place> {
        let mut known = self.0.write();
        let known = &mut *known;
        let labels = members.labels(member);
        let mut concerned: Vec<u32> = known.going.iter().copied().collect();
        for wish in known.wishes.values_mut() {
            let now = labels.as_ref().is_some_and(|labels| selects(&wish.placement, member, labels));
            let before = if now { !wish.members.insert(member.into()) } else { wish.members.remove(member) };
            // a name that is listed is told of, joined or not
            if now || before {
                concerned.extend(wish.rows.iter().copied());
            }
        }
        if labels.is_none() {
            known.leave(member, &mut concerned);
        }
        known.places(concerned)
    }

    /// All placements are looked at again.
    pub fn refresh(&self, members: &impl Members) {
        let mut known = self.0.write();
        let all = members.all();
        for wish in known.wishes.values_mut() {
            wish.members = chosen(&wish.placement, &all);
        }
    }

    /// The objects that a member's placement concerns, and those on their way out.
    pub fn of_member(&self, member: &str) -> Vec<Place> {
        let known = self.0.read();
        let placed = known.wishes.values().filter(|wish| wish.members.contains(member)).flat_map(|wish| wish.rows.iter());
        known.places(placed.chain(&known.going).copied().collect())
    }
}

impl Wish {
    fn of(owner: &Value, members: &impl Members) -> Self {
        // a placement that cannot be read selects nobody: validation says so
        let read = object::at(owner, &["spec", "placement"]).and_then(|placement| federated::Placement::read(placement).ok());
        let placement = read.and_then(|read| validate::placement(&read).ok()).unwrap_or_default();
        let members = chosen(&placement, &members.all());
        Self { placement, members, rows: HashSet::new() }
    }
}

fn chosen(placement: &Placement, all: &[(Arc<str>, Arc<Labels>)]) -> HashSet<Arc<str>> {
    let listed: Option<HashSet<&str>> = placement.clusters.as_ref().map(|names| names.iter().map(String::as_str).collect());
    let chosen = all.iter().filter(|(name, labels)| match &listed {
        Some(listed) => listed.contains(&**name),
        None => selects(placement, name, labels),
    });
    chosen.map(|(name, _)| name.clone()).collect()
}

fn written(owner: &Value) -> String {
    object::at(owner, &["spec", "placement"]).map(Value::to_string).unwrap_or_default()
}

impl Known {
    fn find(&self, namespace: &str, name: &str) -> Option<u32> {
        self.ids.get(namespace)?.get(name).copied()
    }

    fn id(&mut self, namespace: &str, name: &str) -> u32 {
        if let Some(id) = self.find(namespace, name) {
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.rows.push(Row::default());
            u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
        });
        let namespace = self.ids.get_key_value(namespace).map_or_else(|| namespace.into(), |(known, _)| known.clone());
        let name: Arc<str> = name.into();
        self.ids.entry(namespace.clone()).or_default().insert(name.clone(), id);
        self.rows[id as usize] = Row { namespace, name, ..Row::default() };
        id
    }

    fn number(&mut self, member: &str) -> u32 {
        if let Some(number) = self.numbers.get(member) {
            return *number;
        }
        let (name, number): (Arc<str>, _) = (member.into(), u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// Nobody holds anything in a member that left.
    fn leave(&mut self, member: &str, concerned: &mut Vec<u32>) {
        let Some(number) = self.numbers.get(member).copied() else { return };
        for (id, row) in (0..).zip(&mut self.rows) {
            if let Ok(at) = row.holders.binary_search(&number) {
                row.holders.remove(at);
                concerned.push(id);
            }
        }
    }

    fn unwish(&mut self, id: u32) {
        let Some(text) = self.rows[id as usize].wish.take() else { return };
        let Some(wish) = self.wishes.get_mut(&text) else { return };
        wish.rows.remove(&id);
        if wish.rows.is_empty() {
            self.wishes.remove(&text);
        }
    }

    /// Forgets a row that says nothing.
    fn sweep(&mut self, id: u32) {
        let row = &self.rows[id as usize];
        if row.owner.is_some() || !row.holders.is_empty() {
            return;
        }
        let row = std::mem::take(&mut self.rows[id as usize]);
        if let Some(names) = self.ids.get_mut(&row.namespace) {
            names.remove(&row.name);
            if names.is_empty() {
                self.ids.remove(&row.namespace);
            }
        }
        self.free.push(id);
    }

    fn places(&self, mut ids: Vec<u32>) -> Vec<Place> {
        ids.sort_unstable();
        ids.dedup();
        ids.iter().map(|id| &self.rows[*id as usize]).map(|row| (row.namespace.clone(), row.name.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use comity_core::json;

    use super::*;

    struct Fixed(BTreeMap<&'static str, Arc<Labels>>);

    impl Fixed {
        fn new(zones: &[(&'static str, &str)]) -> Self {
            Self(zones.iter().map(|(name, zone)| (*name, Arc::new(Labels::from([("zone".to_owned(), (*zone).to_owned())])))).collect())
        }
    }

    impl Members for Fixed {
        fn all(&self) -> Vec<(Arc<str>, Arc<Labels>)> {
            self.0.iter().map(|(name, labels)| ((*name).into(), labels.clone())).collect()
        }

        fn labels(&self, name: &str) -> Option<Arc<Labels>> {
            self.0.get(name).cloned()
        }
    }

    fn owner(name: &str, placement: Value) -> Value {
        json!({"metadata": {"namespace": "ns", "name": name, "uid": "u", "generation": 1}, "spec": {"placement": placement}})
    }

    fn of_zone(zone: &str) -> Value {
        json!({"clusterSelector": {"matchLabels": {"zone": zone}}})
    }

    fn text(members: BTreeSet<Arc<str>>) -> String {
        members.into_iter().collect::<Vec<_>>().join(" ")
    }

    fn names(places: Vec<Place>) -> String {
        let mut names: Vec<&str> = places.iter().map(|(_, name)| &**name).collect();
        names.sort_unstable();
        names.join(" ")
    }

    #[test]
    fn an_object_concerns_where_it_is_placed_and_where_it_may_have_a_copy() {
        let (owners, members) = (Owners::default(), Fixed::new(&[("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")]));
        let object = owner("one", of_zone("x"));
        owners.put(&object, &members);
        assert_eq!(text(owners.members_of(&object, &members)), "a b");
        owners.may_hold("ns", "one", "d");
        owners.may_hold("ns", "one", "d");
        assert_eq!(text(owners.members_of(&object, &members)), "a b d");
        let newer = owner("one", json!({"clusters": [{"name": "c"}, {"name": "not joined"}]}));
        assert_eq!(text(owners.members_of(&newer, &members)), "c d", "the object counts, not what was told of it before");
        owners.holds_not("ns", "one", "d", || false);
        owners.put(&newer, &members);
        assert_eq!(text(owners.members_of(&newer, &members)), "c d");
        owners.holds_not("ns", "one", "d", || true);
        assert_eq!(text(owners.members_of(&newer, &members)), "c");
    }

    #[test]
    fn a_change_of_a_member_is_news_for_what_it_concerned_before_or_does_now() {
        let (owners, before) = (Owners::default(), Fixed::new(&[("a", "x"), ("b", "y")]));
        for (name, placement) in [("x", of_zone("x")), ("y", of_zone("y")), ("listed", json!({"clusters": [{"name": "a"}]}))] {
            owners.put(&owner(name, placement), &before);
        }
        owners.put(&owner("nowhere", json!({})), &before);
        assert_eq!(names(owners.member_changed("a", &before)), "listed x");
        let moved = Fixed::new(&[("a", "y"), ("b", "y")]);
        assert_eq!(names(owners.member_changed("a", &moved)), "listed x y");
        assert_eq!(names(owners.member_changed("a", &moved)), "listed y");
        assert_eq!(names(owners.of_member("a")), "listed y");
        let left = Fixed::new(&[("b", "y")]);
        assert_eq!(names(owners.member_changed("a", &left)), "listed y");
        assert_eq!(names(owners.member_changed("a", &left)), "");
        owners.refresh(&before);
        assert_eq!(names(owners.of_member("a")), "listed x");
        let mut going = owner("nowhere", json!({}));
        going["metadata"]["deletionTimestamp"] = "t".into();
        owners.put(&going, &left);
        assert_eq!(names(owners.of_member("b")), "nowhere y");
    }

    #[test]
    fn what_is_gone_leaves_nothing_behind() {
        let (owners, members) = (Owners::default(), Fixed::new(&[("a", "x")]));
        for round in 0..3 {
            owners.put(&owner("one", of_zone("x")), &members);
            owners.may_hold("ns", "one", "a");
            assert!(owners.get("ns", "one").is_some_and(|owner| owner.generation == 1), "{round}");
            owners.remove("ns", "one");
            assert_eq!(owners.get("ns", "one"), None);
            owners.holds_not("ns", "one", "a", || true);
        }
        let known = owners.0.read();
        assert_eq!((known.rows.len(), known.free.len(), known.ids.len(), known.wishes.len()), (1, 1, 0, 0));
    }
}
