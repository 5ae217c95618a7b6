//! Removes a set of fields and list items from a value.

use serde_json::Value;

use super::{
    element::Element,
    set::FieldSet,
    types::{Form, form, item, step_or_index, under},
};
use crate::node::Node;

/// Removes every member of the set with all that lies below it. Returns whether nothing is left of the value.
pub(super) fn remove(node: &Node, value: &mut Value, set: &FieldSet<'_>) -> bool {
    match (form(node, Some(value)), value) {
        (Form::Leaf, _) => false,
        (Form::Fields, Value::Object(fields)) => {
            fields.retain(|key, value| match set.get(&Element::field(key)) {
                Some(mark) if mark.member => false,
                Some(mark) => {
                    // An emptied field is null, not gone: who owns the field itself keeps it. Decoding drops nulls.
                    if remove(under(node, key).0, value, &mark.below) {
                        *value = Value::Null;
                    }
                    true
                }
                None => true,
            });
            fields.is_empty()
        }
        (Form::Items, Value::Array(items)) => {
            let mut at = 0;
            items.retain_mut(|value| {
                let mark = set.get(&step_or_index(node, value, at));
                let below = match mark {
                    None => None,
                    Some(mark) if mark.member => Some(None),
                    Some(mark) => Some(Some(&mark.below)),
                };
                at += 1;
                match below {
                    None => true,
                    Some(None) => false,
                    Some(Some(below)) => !remove(item(node), value, below),
                }
            });
            items.is_empty()
        }
        // Owned as a whole, or of another kind than the set was made for: it goes as a whole.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::managed::{fields_v1::decode, types::any};

    #[test]
    fn what_lies_below_a_member_goes_with_it_and_emptied_parents_are_null() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "d": {"e": 3}, "f": 4});
        let set = json!({"f:a": {"f:b": {}}, "f:d": {"f:e": {}}});
        assert!(!remove(any(), &mut value, &decode(&set).unwrap()));
        assert_eq!(value, json!({"a": {"c": 2}, "d": null, "f": 4}));
    }
}
