//! Consistent listings of one resource, now or at an earlier revision.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::entry::Entry;
use crate::error::ListError;
use crate::key::Place;
use crate::state::{State, Table};

/// Part of a resource at one revision.
#[derive(Debug)]
pub struct Listing {
    /// The revision the listing shows.
    pub rev: u64,
    /// The objects in the order of `namespace/name`.
    pub entries: Vec<Arc<Entry>>,
    /// How many more there are behind the last one; only counted for a page with a limit. Of selected objects 1 when
    /// there are more.
    pub remaining: usize,
}

/// Which part of a resource to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page<'a> {
    /// Only this namespace.
    pub namespace: Option<&'a str>,
    /// The first key that may appear: a name when the page has a namespace, else `namespace/name` (or the name alone
    /// for cluster-scoped objects). It need not exist.
    pub start: Option<&'a str>,
    /// At most this many objects.
    pub limit: Option<usize>,
}

impl Page<'_> {
    fn first(&self) -> Option<Place> {
        match (self.namespace, self.start) {
            (Some(namespace), start) => Some(Place { namespace: namespace.into(), name: start.unwrap_or("").into() }),
            (None, Some(start)) => Some(Place::of_relative(start)),
            (None, None) => None,
        }
    }

    fn contains(&self, place: &Place) -> bool {
        self.namespace.is_none_or(|namespace| &*place.namespace == namespace)
    }
}

/// Which objects to take; none means all.
pub(crate) type Filter<'a> = Option<&'a dyn Fn(&Entry) -> bool>;

pub(crate) fn page(state: &State, resource: &str, at: Option<u64>, page: &Page<'_>, filter: Filter<'_>) -> Result<Listing, ListError> {
    // Read before the resource is looked up: until then an unknown resource had no events.
    let current = state.revision();
    if at.is_some_and(|rev| rev > current) {
        return Err(ListError::Future { current });
    }
    if at.is_some_and(|rev| rev < state.start()) {
        return Err(ListError::Compacted { oldest: state.start() });
    }
    let Some(cell) = state.known_cell(resource) else {
        return Ok(Listing { rev: at.unwrap_or(current), entries: Vec::new(), remaining: 0 });
    };
    let table = cell.table.read();
    let Some(rev) = at else {
        let (entries, remaining) = collect(&table, &BTreeMap::new(), page, filter);
        return Ok(Listing { rev: state.revision(), entries, remaining });
    };
    let undo = table.ring.undo(rev).map_err(|error| ListError::Compacted { oldest: error.oldest })?;
    let (entries, remaining) = collect(&table, &undo, page, filter);
    Ok(Listing { rev, entries, remaining })
}

/// The objects of a page, with some of them replaced by an earlier state.
fn collect(table: &Table, undo: &BTreeMap<Place, Option<Arc<Entry>>>, page: &Page<'_>, filter: Filter<'_>) -> (Vec<Arc<Entry>>, usize) {
    let from = page.first().map_or(Bound::Unbounded, Bound::Included);
    let range = (from, Bound::Unbounded);
    let mut present = table.entries.range(range.clone()).take_while(|(place, _)| page.contains(place)).peekable();
    let mut earlier = undo.range(range).take_while(|(place, _)| page.contains(place)).peekable();
    let merged = std::iter::from_fn(|| {
        loop {
            let replace = match (present.peek(), earlier.peek()) {
                (Some((place, _)), Some((changed, _))) => changed <= place,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if !replace {
                return present.next().map(|(_, entry)| entry);
            }
            let (changed, entry) = earlier.next()?;
            if present.peek().is_some_and(|(place, _)| *place == changed) {
                present.next();
            }
            if let Some(entry) = entry {
                return Some(entry);
            }
        }
    });
    // Entries that are not taken are not touched beyond the filter: no counters move for them.
    let mut merged = merged.filter(|entry| filter.is_none_or(|matches| matches(entry)));
    let Some(limit) = page.limit else {
        return (merged.cloned().collect(), 0);
    };
    let entries = merged.by_ref().take(limit).cloned().collect();
    let remaining = if filter.is_some() { usize::from(merged.next().is_some()) } else { merged.count() };
    (entries, remaining)
}
