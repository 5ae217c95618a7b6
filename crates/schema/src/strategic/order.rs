//! The order of merged lists.

use comity_core::Value;

/// Whether two items are the same one: by merge key for objects, else by value.
pub(super) fn same(a: &Value, b: &Value, key: Option<&str>) -> bool {
    match key {
        Some(key) => a.get(key).is_some() && a.get(key) == b.get(key),
        None => a == b,
    }
}

pub(super) fn index_of(list: &[Value], item: &Value, key: Option<&str>) -> Option<usize> {
    list.iter().position(|v| same(v, item, key))
}

/// Arranges merged items: those that `wanted` names in its order, the others in the order of `before`, and both interleaved
/// by where `before` had them.
pub(super) fn arranged(merged: Vec<Value>, wanted: &[Value], before: &[Value], key: Option<&str>) -> Vec<Value> {
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|v| index_of(wanted, v, key).is_some());
    named.sort_by_key(|v| index_of(wanted, v, key));
    others.sort_by_key(|v| index_of(before, v, key));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    let mut out = Vec::with_capacity(named.len() + others.len());
    loop {
        let others_first = match (others.peek(), named.peek()) {
            (None, None) => return out,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(name)) => {
                let places = (index_of(before, other, key), index_of(before, name, key));
                matches!(places, (Some(o), Some(n)) if o < n)
            }
        };
        out.extend(if others_first { others.next() } else { named.next() });
    }
}
