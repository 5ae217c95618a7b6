//! Strategic merge patch: a merge patch that knows which lists merge by key.
//!
//! Directives: `$patch: replace|delete`, `$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`, `$retainKeys`; null deletes.
//! The order of merged lists is part of the behaviour: items of the patch keep the patch's order, items that only the object has
//! keep theirs, and both are merged by where the object had them.

mod order;

use comity_core::{Map, Reason, Status, Value};

use crate::{
    node::{Extra, Node},
    schema::Schema,
};
use order::{arranged, index_of};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

/// Merges a patch into an object of a built-in kind.
///
/// # Errors
/// The patch is no object, or a directive or a merge key is wrong: 400, 422 or 500 as the API answers them.
pub fn merge(schema: &Schema, base: &Value, patch: &Value) -> Result<Value, Status> {
    let Value::Object(patch) = patch else {
        return Err(Status::bad_request("strategic merge patch: the patch must be a JSON object"));
    };
    let base = base.as_object().cloned().unwrap_or_default();
    merge_map(base, patch.clone(), Some(schema.root())).map(Value::Object)
}

fn merge_map(mut original: Map<String, Value>, mut patch: Map<String, Value>, node: Option<&Node>) -> Result<Map<String, Value>, Status> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.shift_remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(bad_type(&patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    element_orders(&mut original, &mut patch, node)?;
    for (key, value) in patch {
        let (key, deletes) = match key.strip_prefix(DELETE_FROM) {
            Some(field) => (field.to_owned(), true),
            None => (key, false),
        };
        if value.is_null() {
            original.shift_remove(&key);
            continue;
        }
        let same_kind = original.get(&key).is_some_and(|o| std::mem::discriminant(o) == std::mem::discriminant(&value));
        if !same_kind {
            if !deletes {
                put_new(&mut original, key, value);
            }
            continue;
        }
        let field = node.and_then(|n| n.field(&key));
        let child = node.and_then(|n| n.child(&key));
        match (original.get_mut(&key), value) {
            (Some(Value::Object(own)), Value::Object(value)) => *own = merge_map(std::mem::take(own), value, child)?,
            (Some(Value::Array(own)), Value::Array(value)) => {
                let rule = ListRule::of(field.and_then(|f| f.extra.as_deref()), child);
                *own = merge_lists(std::mem::take(own), value, &rule, deletes)?;
            }
            (_, value) => put_new(&mut original, key, value),
        }
    }
    Ok(original)
}

/// Sets what the object did not have, without nulls and without parts that are only directives.
fn put_new(original: &mut Map<String, Value>, key: String, mut value: Value) {
    drop_nulls(&mut value);
    if let Some(value) = without_directives(value) {
        original.insert(key, value);
    } else {
        original.shift_remove(&key);
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => map.retain(|_, v| {
            drop_nulls(v);
            !v.is_null()
        }),
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(map.into_iter().filter_map(|(k, v)| Some((k, without_directives(v)?))).collect())),
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

/// How a field's list merges.
struct ListRule<'a> {
    merges: bool,
    key: Option<&'a str>,
    item: Option<&'a Node>,
}

impl<'a> ListRule<'a> {
    fn of(extra: Option<&'a Extra>, node: Option<&'a Node>) -> Self {
        Self {
            merges: extra.is_some_and(|e| e.patch_merge),
            key: extra.and_then(|e| e.patch_key.as_deref()),
            item: node.and_then(Node::item),
        }
    }
}

fn merge_lists(original: Vec<Value>, patch: Vec<Value>, rule: &ListRule<'_>, deletes: bool) -> Result<Vec<Value>, Status> {
    if !rule.merges && !deletes {
        return Ok(patch);
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let objects = same_kind_of_items(&original, &patch)?;
    if !objects {
        if deletes {
            return Ok(original.into_iter().filter(|v| !patch.contains(v)).collect());
        }
        let mut merged: Vec<Value> = Vec::with_capacity(original.len() + patch.len());
        for v in original.iter().chain(&patch) {
            if !merged.contains(v) {
                merged.push(v.clone());
            }
        }
        return Ok(arranged(merged, &patch, &original, None));
    }
    let Some(key) = rule.key else {
        let name = rule.item.and_then(Node::type_name).and_then(|n| n.rsplit('.').next()).unwrap_or_default();
        return Err(internal(format!("cannot merge lists without merge key for {name}")));
    };
    let (original, patch) = special_items(original, patch, key)?;
    let mut merged = original.clone();
    for item in &patch {
        let Value::Object(fields) = item else { continue };
        if !fields.contains_key(key) {
            return Err(no_merge_key(fields, key));
        }
        match index_of(&merged, item, Some(key)) {
            Some(at) => {
                let own = merged[at].as_object().cloned().unwrap_or_default();
                merged[at] = Value::Object(merge_map(own, fields.clone(), rule.item)?);
            }
            None => merged.push(item.clone()),
        }
    }
    if let Some(Value::Object(fields)) = merged.iter().find(|v| v.get(key).is_none()) {
        return Err(no_merge_key(fields, key));
    }
    Ok(arranged(merged, &patch, &original, Some(key)))
}

/// Items of a patch that are directives: deletions are done, a replacement makes the patch the whole list.
fn special_items(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Status> {
    let (mut plain, mut replaces) = (Vec::new(), false);
    for item in patch {
        let Value::Object(fields) = &item else { continue };
        match fields.get(DIRECTIVE).map(|d| d.as_str().unwrap_or_default()) {
            None => plain.push(item),
            Some("delete") => {
                let Some(value) = fields.get(key) else { return Err(no_merge_key(fields, key)) };
                original.retain(|o| o.get(key) != Some(value));
            }
            Some("replace") => replaces = true,
            Some("merge") => return Err(internal("merging lists cannot yet be specified in the patch".to_owned())),
            Some(_) => return Err(bad_type(fields)),
        }
    }
    Ok(if replaces { (plain, Vec::new()) } else { (original, plain) })
}

/// Whether the items are objects; lists of lists and mixtures are errors.
fn same_kind_of_items(original: &[Value], patch: &[Value]) -> Result<bool, Status> {
    let mut all = original.iter().chain(patch);
    let Some(first) = all.next() else { return Ok(false) };
    if std::iter::once(first).chain(original.iter().chain(patch)).any(Value::is_array) {
        return Err(Status::new(Reason::Invalid, "lists of lists are not supported"));
    }
    if all.any(|v| std::mem::discriminant(v) != std::mem::discriminant(first)) {
        let both = Value::Array(vec![Value::Array(original.to_vec()), Value::Array(patch.to_vec())]);
        return Err(internal(format!("list element types are not identical: {}", go_text(&both))));
    }
    Ok(first.is_object())
}

fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), Status> {
    let Some(keys) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    let wrong = || Status::bad_request("invalid patch format of retainKeys");
    let Value::Array(keys) = keys else { return Err(wrong()) };
    let listed = |key: &str| keys.iter().any(|k| k == key);
    let is_directive = |key: &str| key.starts_with(DELETE_FROM) || key.starts_with(ELEMENT_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !is_directive(key) && !listed(key)) {
        return Err(wrong());
    }
    original.retain(|key, _| listed(key));
    Ok(())
}

/// Lists with a wanted order are merged and arranged together with it.
fn element_orders(original: &mut Map<String, Value>, patch: &mut Map<String, Value>, node: Option<&Node>) -> Result<(), Status> {
    let orders: Vec<String> = patch.keys().filter(|k| k.starts_with(ELEMENT_ORDER)).cloned().collect();
    for directive in orders {
        let Some(Value::Array(order)) = patch.shift_remove(&directive) else {
            return Err(Status::bad_request("invalid patch format of setElementOrder list"));
        };
        let key = directive[ELEMENT_ORDER.len()..].to_owned();
        let list = |value: Option<&Value>| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(internal(format!("expected a slice, but received a {}", kind_name(other)))),
        };
        let (own, wanted) = (list(original.get(&key))?, list(patch.get(&key))?);
        if patch.get(&key).is_some_and(Value::is_null) {
            continue;
        }
        let rule = ListRule::of(node.and_then(|n| n.field(&key)).and_then(|f| f.extra.as_deref()), node.and_then(|n| n.child(&key)));
        check_order(wanted.as_deref().unwrap_or_default(), &order, rule.key)?;
        let before = own.clone().unwrap_or_default();
        let merged = match (own, wanted) {
            (Some(own), None) => own,
            (None, Some(wanted)) => wanted.into_iter().filter_map(without_directives).collect(),
            (Some(own), Some(wanted)) => merge_lists(own, wanted, &rule, false)?,
            (None, None) => continue,
        };
        if let Some(key) = rule.key
            && let Some(Value::Object(fields)) = merged.iter().find(|v| v.get(key).is_none())
        {
            return Err(no_merge_key(fields, key));
        }
        original.insert(key.clone(), Value::Array(arranged(merged, &order, &before, rule.key)));
        patch.shift_remove(&key);
    }
    Ok(())
}

/// The patch's items must stand in the wanted order.
fn check_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), Status> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for item in patch.iter().filter(|v| v.get(DIRECTIVE).is_none()) {
        if !rest.any(|o| order::same(o, item, key)) {
            let text = |list: &[Value]| go_text(&Value::Array(list.to_vec()));
            let why = format!("The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n", text(patch), text(order));
            return Err(internal(why));
        }
    }
    Ok(())
}

/// Failures that the API answers with a bare 500.
fn internal(message: String) -> Status {
    Status::new(Reason::InternalError, message)
}

fn no_merge_key(fields: &Map<String, Value>, key: &str) -> Status {
    internal(format!("map: {} does not contain declared merge key: {key}", go_text(&Value::Object(fields.clone()))))
}

fn bad_type(fields: &Map<String, Value>) -> Status {
    let kind = fields.get(DIRECTIVE).map(go_text).unwrap_or_default();
    internal(format!("unknown patch type: {kind} in map: {}", go_text(&Value::Object(fields.clone()))))
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

/// Go's `%v` of a decoded JSON value.
fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut parts: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", go_text(v))).collect();
            parts.sort();
            format!("map[{}]", parts.join(" "))
        }
        other => other.to_string(),
    }
}
