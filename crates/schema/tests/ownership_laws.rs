//! Laws of server-side apply, on a custom kind with lists and maps of every type.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::sync::LazyLock;

use comity_core::{Map, Value, json, object};
use comity_schema::{
    Schema, crd,
    managed::{Write, apply, update},
};
use proptest::prelude::*;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    crd::compile(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "a": text, "b": text, "size": {"type": "integer"},
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": text, "value": text, "other": text}}},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "plain": {"type": "array", "items": text},
        "params": {"type": "object", "additionalProperties": text},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}}}))
    .unwrap()
});

fn write<'a>(manager: &'a str, now: &'a str) -> Write<'a> {
    Write { manager, api_version: "example.com/v1", subresource: "", now, reset: &[] }
}

fn configured(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
}

/// Applies by force; a no-op leaves the object.
fn applied(live: Option<Value>, manager: &str, config: &Value) -> Value {
    match apply(&SCHEMA, live.as_ref(), config, true, &write(manager, "2026-01-01T00:00:00Z")).unwrap() {
        Some(new) => new,
        None => live.unwrap(),
    }
}

fn owned(object: &Value, manager: &str) -> Value {
    let entries = object::items_at(object, &["metadata", "managedFields"]);
    entries.iter().find(|entry| entry["manager"] == manager).map(|entry| entry["fieldsV1"].clone()).unwrap_or_default()
}

/// The values, with lists that have no order of their own in one.
fn values(object: &Value) -> Value {
    // An emptied map is null until decoding drops it.
    let mut spec = object.get("spec").filter(|spec| !spec.is_null()).cloned().unwrap_or_else(|| json!({}));
    for (list, key) in [("items", "name"), ("tags", "")] {
        if let Some(items) = spec.get_mut(list).and_then(Value::as_array_mut) {
            items.sort_by_key(|item| if key.is_empty() { item.to_string() } else { item[key].to_string() });
        }
    }
    spec
}

fn text() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["x", "y", "z"]).prop_map(Value::from)
}

fn map_of(keys: Vec<&'static str>, value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(keys), value, 1..4)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into())
}

/// A configuration; names of everything that can be owned alone begin with the prefix.
fn config(names: [&'static str; 3]) -> impl Strategy<Value = Value> {
    let keys = names.to_vec();
    let item = (prop::option::of(text()), prop::option::of(text()));
    let items = prop::collection::btree_map(prop::sample::select(keys.clone()), item, 1..4).prop_map(|items| {
        let item = |(name, (value, other)): (&str, (Option<Value>, Option<Value>))| {
            let mut item = json!({"name": name});
            value.into_iter().for_each(|value| item["value"] = value);
            other.into_iter().for_each(|other| item["other"] = other);
            item
        };
        Value::Array(items.into_iter().map(item).collect())
    });
    let tags = prop::collection::btree_set(prop::sample::select(keys.clone()), 1..4).prop_map(|tags| json!(tags));
    (
        prop::option::of(items),
        prop::option::of(tags),
        prop::option::of(map_of(keys.clone(), text())),
        prop::option::of(map_of(keys, text())),
    )
        .prop_map(|(items, tags, params, free)| {
            let parts = [("items", items), ("tags", tags), ("params", params), ("free", free)];
            let spec: Map<_, _> = parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
            configured(spec.into())
        })
}

/// A configuration whose spec is never empty: an emptied map that somebody owns is a case of its own.
fn any_config() -> impl Strategy<Value = Value> {
    let plain = prop::collection::vec(text(), 0..3).prop_map(Value::from);
    (config(["x", "y", "z"]), prop::option::of(text()), 0..3_i64, prop::option::of(plain)).prop_map(|(mut config, a, size, plain)| {
        a.into_iter().for_each(|a| config["spec"]["a"] = a);
        config["spec"]["size"] = size.into();
        plain.into_iter().for_each(|plain| config["spec"]["plain"] = plain);
        config
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_apply_that_was_made_before_changes_nothing(first in any_config(), second in any_config()) {
        let object = applied(Some(applied(None, "one", &first)), "two", &second);
        let again = apply(&SCHEMA, Some(&object), &second, false, &write("two", "2027-01-01T00:00:00Z"));
        prop_assert_eq!(again.unwrap(), None);
    }

    #[test]
    fn a_forced_apply_owns_exactly_what_it_says_and_gets_its_values(configs in prop::collection::vec((0..3_usize, any_config()), 1..6)) {
        let names = ["one", "two", "three"];
        let mut live = None;
        for (manager, config) in configs {
            let object = applied(live.take(), names[manager], &config);
            prop_assert_eq!(owned(&object, names[manager]), owned(&applied(None, names[manager], &config), names[manager]));
            let again = apply(&SCHEMA, Some(&object), &config, false, &write("other", "2026-01-01T00:00:00Z"));
            prop_assert!(again.is_ok(), "values that are there conflict with nobody: {again:?}");
            live = Some(object);
        }
    }

    #[test]
    fn the_order_of_managers_with_nothing_in_common_does_not_matter(a in config(["a", "b", "c"]), b in config(["x", "y", "z"])) {
        let ab = applied(Some(applied(None, "a", &a)), "b", &b);
        let ba = applied(Some(applied(None, "b", &b)), "a", &a);
        prop_assert_eq!(values(&ab), values(&ba));
        prop_assert_eq!(owned(&ab, "a"), owned(&ba, "a"));
        prop_assert_eq!(owned(&ab, "b"), owned(&ba, "b"));
    }

    #[test]
    fn what_only_one_manager_applied_goes_when_it_applies_nothing(a in config(["a", "b", "c"]), b in config(["x", "y", "z"])) {
        let alone = applied(None, "a", &a);
        let both = applied(Some(alone.clone()), "b", &b);
        let nothing = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}});
        let back = applied(Some(both), "b", &nothing);
        prop_assert_eq!(values(&back), values(&alone));
        prop_assert_eq!(owned(&back, "b"), Value::Null);
        prop_assert_eq!(owned(&back, "a"), owned(&alone, "a"));
    }

    #[test]
    fn an_update_takes_what_it_changes_and_conflicts_follow(a in any_config(), b in any_config()) {
        let live = applied(None, "a", &a);
        let mut new = b.clone();
        new["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
        let updated = update(&SCHEMA, Some(&live), new, &write("editor", "2026-01-01T00:00:00Z"));
        let back = apply(&SCHEMA, Some(&updated), &a, false, &write("a", "2026-01-01T00:00:00Z"));
        match back {
            // Without a conflict nothing that the applier says had another value.
            Ok(_) => {}
            Err(status) => {
                prop_assert_eq!(status.code, 409);
                prop_assert!(status.message.contains("conflict with \"editor\"") || status.message.contains("conflicts with \"editor\""), "{}", status);
            }
        }
        let forced = applied(Some(updated), "a", &a);
        prop_assert_eq!(owned(&forced, "a"), owned(&live, "a"));
    }
}
