//! Sets of field paths and their algebra.

use std::{cmp::Ordering, fmt};

use super::element::Element;

/// A set of field paths: a tree whose marked nodes are the members. Entries are sorted; none is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet<'a> {
    pub(super) entries: Vec<Entry<'a>>,
}

/// A step with what the set says about it and about what lies below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub(super) element: Element<'a>,
    pub(super) mark: Mark<'a>,
}

/// Whether a node is a member, and its members below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark<'a> {
    pub(super) member: bool,
    pub(super) below: FieldSet<'a>,
}

impl Mark<'_> {
    /// A member with nothing below.
    pub(super) fn leaf() -> Self {
        Self { member: true, below: FieldSet::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl<'a> Mark<'a> {
    fn absorb(&mut self, other: Mark<'a>) {
        self.member |= other.member;
        self.below.absorb(other.below);
    }
}

impl<'a> FieldSet<'a> {
    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a path; parents are not added.
    pub fn insert(&mut self, path: &[Element<'a>]) {
        let Some((first, rest)) = path.split_first() else { return };
        let at = match self.position(first) {
            Ok(at) => at,
            Err(at) => {
                self.entries.insert(at, Entry { element: first.clone(), mark: Mark::default() });
                at
            }
        };
        let mark = &mut self.entries[at].mark;
        if rest.is_empty() { mark.member = true } else { mark.below.insert(rest) }
    }

    /// A set of paths of fields, each given as its names.
    pub fn of_fields(paths: &[&[&'a str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(&path.iter().map(|name| Element::field(name)).collect::<Vec<_>>());
        }
        set
    }

    /// Adds an entry while a set is being built; [`FieldSet::sort`] must follow.
    pub(super) fn push(&mut self, element: Element<'a>, mark: Mark<'a>) {
        if !mark.is_empty() {
            self.entries.push(Entry { element, mark });
        }
    }

    /// Brings entries that were pushed in any order into theirs; equal ones are joined.
    pub(super) fn sort(&mut self) {
        if self.entries.is_sorted_by(|a, b| a.element < b.element) {
            return;
        }
        self.entries.sort_by(|a, b| a.element.cmp(&b.element));
        self.entries.dedup_by(|later, earlier| {
            let same = later.element == earlier.element;
            if same {
                earlier.mark.absorb(std::mem::take(&mut later.mark));
            }
            same
        });
    }

    fn position(&self, element: &Element<'_>) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.element.cmp(element))
    }

    /// What the set says about a step.
    pub(super) fn get<'s>(&'s self, element: &Element<'_>) -> Option<&'s Mark<'a>> {
        self.position(element).ok().map(|at| &self.entries[at].mark)
    }

    /// Whether a path is a member.
    pub fn has(&self, path: &[Element<'a>]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        self.get(first).is_some_and(|mark| if rest.is_empty() { mark.member } else { mark.below.has(rest) })
    }

    /// Adds every member of another set.
    pub fn absorb(&mut self, other: FieldSet<'a>) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = other;
            return;
        }
        let mine = std::mem::take(&mut self.entries);
        self.entries.reserve(mine.len().max(other.entries.len()));
        let (mut left, mut right) = (mine.into_iter().peekable(), other.entries.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.element.cmp(&b.element),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            let entry = match order {
                Ordering::Less => left.next(),
                Ordering::Greater => right.next(),
                Ordering::Equal => left.next().zip(right.next()).map(|(mut a, b)| {
                    a.mark.absorb(b.mark);
                    a
                }),
            };
            self.entries.extend(entry);
        }
    }

    /// The members of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> FieldSet<'a> {
        let mut out = FieldSet::default();
        let (mut i, mut j) = (0, 0);
        while let (Some(a), Some(b)) = (self.entries.get(i), other.entries.get(j)) {
            match a.element.cmp(&b.element) {
                Ordering::Less => i += 1,
                Ordering::Greater => j += 1,
                Ordering::Equal => {
                    let mark = Mark { member: a.mark.member && b.mark.member, below: a.mark.below.intersection(&b.mark.below) };
                    out.push(a.element.clone(), mark);
                    i += 1;
                    j += 1;
                }
            }
        }
        out
    }

    /// Removes the members of another set; what lies below a removed member stays.
    pub fn subtract(&mut self, other: &FieldSet<'_>) {
        self.subtract_with(other, &|mine, theirs| {
            mine.member &= !theirs.member;
            mine.below.subtract(&theirs.below);
        });
    }

    /// Removes the members of another set with all that lies below them.
    pub fn subtract_trees(&mut self, other: &FieldSet<'_>) {
        self.subtract_with(other, &|mine, theirs| {
            if theirs.member {
                *mine = Mark::default();
            } else {
                mine.below.subtract_trees(&theirs.below);
            }
        });
    }

    fn subtract_with(&mut self, other: &FieldSet<'_>, change: &dyn Fn(&mut Mark<'a>, &Mark<'_>)) {
        if other.is_empty() {
            return;
        }
        let mut j = 0;
        self.entries.retain_mut(|entry| {
            while other.entries.get(j).is_some_and(|theirs| theirs.element < entry.element) {
                j += 1;
            }
            match other.entries.get(j) {
                Some(theirs) if theirs.element == entry.element => {
                    change(&mut entry.mark, &theirs.mark);
                    !entry.mark.is_empty()
                }
                _ => true,
            }
        });
    }

    /// The set without another's members.
    #[must_use]
    pub fn without(mut self, other: &FieldSet<'_>) -> Self {
        self.subtract(other);
        self
    }

    /// Whether every member is a member of the other set.
    pub fn is_subset(&self, other: &Self) -> bool {
        let mut j = 0;
        self.entries.iter().all(|entry| {
            while other.entries.get(j).is_some_and(|theirs| theirs.element < entry.element) {
                j += 1;
            }
            other.entries.get(j).is_some_and(|theirs| {
                theirs.element == entry.element
                    && (theirs.mark.member || !entry.mark.member)
                    && entry.mark.below.is_subset(&theirs.mark.below)
            })
        })
    }

    /// Calls back for every member; members of a level come before those below it.
    pub fn each<'s>(&'s self, f: &mut dyn FnMut(&[&'s Element<'a>])) {
        self.each_from(&mut Vec::new(), f);
    }

    fn each_from<'s>(&'s self, prefix: &mut Vec<&'s Element<'a>>, f: &mut dyn FnMut(&[&'s Element<'a>])) {
        for entry in self.entries.iter().filter(|entry| entry.mark.member) {
            prefix.push(&entry.element);
            f(prefix);
            prefix.pop();
        }
        for entry in self.entries.iter().filter(|entry| !entry.mark.below.is_empty()) {
            prefix.push(&entry.element);
            entry.mark.below.each_from(prefix, f);
            prefix.pop();
        }
    }
}

/// One path a line.
impl fmt::Display for FieldSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        self.each(&mut |path| lines.push(path.iter().map(ToString::to_string).collect::<String>()));
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(paths: &[&str]) -> FieldSet<'static> {
        let mut set = FieldSet::default();
        for path in paths {
            set.insert(&path.split('.').map(|name| Element::Field(name.to_owned().into())).collect::<Vec<_>>());
        }
        set
    }

    #[test]
    fn difference_keeps_what_lies_below_and_tree_difference_does_not() {
        let s = set(&["a", "a.b", "a.b.c", "d"]);
        let mut plain = s.clone();
        plain.subtract(&set(&["a", "d.x"]));
        assert_eq!(plain, set(&["a.b", "a.b.c", "d"]));
        let mut trees = s;
        trees.subtract_trees(&set(&["a.b", "d"]));
        assert_eq!(trees, set(&["a"]));
    }

    #[test]
    fn paths_are_listed_level_by_level() {
        assert_eq!(set(&["a.b", "a", "c", "a.b.d"]).to_string(), ".a\n.c\n.a.b\n.a.b.d");
    }

    fn any_set() -> impl Strategy<Value = FieldSet<'static>> {
        let step = prop::sample::select(vec!["a", "b", "c"]);
        prop::collection::vec(prop::collection::vec(step, 1..4), 0..12).prop_map(|paths| {
            let texts: Vec<String> = paths.iter().map(|p| p.join(".")).collect();
            set(&texts.iter().map(String::as_str).collect::<Vec<_>>())
        })
    }

    proptest! {
        #[test]
        fn algebra_agrees_with_itself(a in any_set(), b in any_set()) {
            let mut both = a.clone();
            both.absorb(b.clone());
            let mut other = b.clone();
            other.absorb(a.clone());
            prop_assert_eq!(&both, &other);
            prop_assert!(a.is_subset(&both) && b.is_subset(&both));
            let only_a = a.clone().without(&b);
            prop_assert!(only_a.intersection(&b).is_empty());
            let mut again = only_a;
            again.absorb(a.intersection(&b));
            prop_assert_eq!(again, a.clone());
            prop_assert_eq!(a.is_subset(&b), a.clone().without(&b).is_empty());
        }
    }
}
