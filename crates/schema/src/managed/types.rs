//! How a value of a type is owned and merged, seen through the compiled type.

use std::borrow::Cow;

use serde_json::Value;

use super::element::{Element, Scalar};
use crate::node::{self, Kind, Link, ListKind, MapKind, Node, POINTER};

/// The form in which a value is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Owned as a whole.
    Leaf,
    /// A map owned field by field.
    Fields,
    /// A list owned item by item.
    Items,
    /// A map owned as a whole.
    AtomicMap,
    /// A list owned as a whole.
    AtomicList,
}

/// The form of a value (or of an absent or null one) of a type.
pub(super) fn form(node: &Node, value: Option<&Value>) -> Form {
    match node.kind() {
        Kind::Scalar => Form::Leaf,
        Kind::List if node.list_kind() == ListKind::Atomic => Form::AtomicList,
        Kind::List => Form::Items,
        Kind::Object | Kind::Map if node.map_kind() == MapKind::Atomic => Form::AtomicMap,
        Kind::Object | Kind::Map => Form::Fields,
        Kind::Any => match value {
            None | Some(Value::Null | Value::Object(_)) => Form::Fields,
            Some(Value::Array(_)) => Form::AtomicList,
            Some(_) => Form::Leaf,
        },
    }
}

/// The type of the value under a key of a map, and whether the map's type declares that key.
pub(super) fn under<'n>(node: &'n Node, key: &str) -> (&'n Node, bool) {
    match node.kind() {
        Kind::Object => match node.field(key) {
            Some(field) => (field.node(), true),
            None => (any(), false),
        },
        Kind::Map => match node.map_value() {
            Some(value) => (value, false),
            None => (any(), false),
        },
        _ => (any(), false),
    }
}

/// The type of a list's items.
pub(super) fn item(node: &Node) -> &Node {
    match node.item() {
        Some(item) => item,
        None => any(),
    }
}

/// The type about which nothing is known.
pub(super) fn any() -> &'static Node {
    static ANY: Link = Link::Any;
    ANY.node()
}

/// The step that leads to an item of a list that is owned item by item.
///
/// # Errors
/// The item has no keys, or is no scalar where the list is a set.
pub(super) fn step<'a>(list: &'a Node, value: &'a Value) -> Result<Element<'a>, String> {
    if list.list_kind() == ListKind::Map {
        return keyed(list, value);
    }
    match value {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(Element::Value(Scalar::of(scalar))),
    }
}

fn keyed<'a>(list: &'a Node, value: &'a Value) -> Result<Element<'a>, String> {
    let object = match value {
        Value::Object(object) => object,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut keys: Vec<(Cow<'a, str>, Scalar<'a>)> = Vec::with_capacity(list.list_keys().len());
    for key in list.list_keys() {
        let scalar = match object.get(&**key).or_else(|| list.key_default(key)) {
            Some(value) => Some(Scalar::of(value)),
            None => zero_key(item(list), key),
        };
        keys.extend(scalar.map(|scalar| (Cow::Borrowed(&**key), scalar)));
    }
    if keys.is_empty() {
        let names = list.list_keys().iter().map(|k| format!("{k:?}")).collect::<Vec<_>>().join(" ");
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{names}] (and doesn't have default values for any key fields)"
        ));
    }
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Element::Key(keys.into()))
}

/// What an absent key of a built-in type stands for: the zero value of its Go type, unless it is behind a pointer.
fn zero_key<'a>(item: &Node, key: &str) -> Option<Scalar<'a>> {
    item.type_name()?;
    let field = item.field(key).filter(|field| !field.is(POINTER))?;
    match field.node().scalar()? {
        node::Scalar::String => Some(Scalar::Text(Cow::Borrowed(""))),
        node::Scalar::Int32 | node::Scalar::Int64 => Some(Scalar::Int(0)),
        node::Scalar::Boolean => Some(Scalar::Bool(false)),
        _ => None,
    }
}

/// The step to an item of a stored list, where an item without keys (which only a changed type can cause) is told by its place.
pub(super) fn step_or_index<'a>(list: &'a Node, value: &'a Value, at: usize) -> Element<'a> {
    step(list, value).unwrap_or(Element::Index(i64::try_from(at).unwrap_or(i64::MAX)))
}

/// Equality as the API sees it: maps without order, numbers by value.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w))),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(v, w)| same(v, w)),
        (Value::Number(x), Value::Number(y)) => x == y || Scalar::of(a) == Scalar::of(b),
        _ => a == b,
    }
}

/// Whether a value is absent, null or empty: such maps and lists are leaves, which keeps null and empty apart.
pub(super) fn is_void(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) | None => true,
    }
}
