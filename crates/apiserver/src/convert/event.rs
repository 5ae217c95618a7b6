//! Events: `v1` and `events.k8s.io/v1` show the same object under different names.

use comity_core::{Map, Value};

/// Fields in the order of the `v1` type, with their names in `events.k8s.io/v1`.
const NAMES: [(&str, &str); 15] = [
    ("involvedObject", "regarding"),
    ("reason", "reason"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("type", "type"),
    ("eventTime", "eventTime"),
    ("series", "series"),
    ("action", "action"),
    ("related", "related"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
    ("", ""),
];
/// The order of the `events.k8s.io/v1` type.
const EVENTS_ORDER: [&str; 14] = [
    "eventTime",
    "series",
    "reportingController",
    "reportingInstance",
    "action",
    "reason",
    "regarding",
    "related",
    "note",
    "type",
    "deprecatedSource",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "deprecatedCount",
];

/// From `v1` to `events.k8s.io/v1`.
pub fn to_events_group(object: &mut Value) {
    renamed(object, EVENTS_ORDER.iter().map(|new| (old_name(new), *new)));
}

/// From `events.k8s.io/v1` to `v1`.
pub fn to_core_group(object: &mut Value) {
    renamed(object, NAMES.iter().filter(|(core, _)| !core.is_empty()).map(|(core, events)| (*events, *core)));
    // The first API always writes these.
    for (key, empty) in [("source", Value::Object(Map::new())), ("reportingComponent", "".into()), ("reportingInstance", "".into())] {
        if object.get(key).is_none() {
            comity_core::object::set(object, &[key], empty);
        }
    }
}

fn old_name(new: &str) -> &'static str {
    NAMES.iter().find(|(_, events)| *events == new).map_or("", |(core, _)| core)
}

fn renamed<'a>(object: &mut Value, names: impl Iterator<Item = (&'a str, &'a str)>) {
    let Some(map) = object.as_object_mut() else { return };
    let mut out = Map::new();
    for key in ["kind", "apiVersion", "metadata"] {
        if let Some(value) = map.shift_remove(key) {
            out.insert(key.to_owned(), value);
        }
    }
    for (from, to) in names {
        // Empty texts are left out where the other type has to write them.
        let needed = |value: &Value| value != "" || matches!(to, "reportingComponent" | "reportingInstance");
        if let Some(value) = map.shift_remove(from).filter(needed) {
            out.insert(to.to_owned(), value);
        }
    }
    *object = Value::Object(out);
}

#[cfg(test)]
mod tests {
    use comity_core::{json, object::str_at};

    use super::*;

    #[test]
    fn an_event_survives_both_conversions() {
        let core = json!({"kind":"Event","apiVersion":"v1","metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p"},
            "reason":"Started","message":"text","source":{"component":"kubelet"},"type":"Normal","eventTime":null,
            "reportingComponent":"kubelet","reportingInstance":""});
        let mut event = core.clone();
        to_events_group(&mut event);
        assert_eq!((str_at(&event, &["note"]), str_at(&event, &["regarding", "name"])), ("text", "p"));
        assert_eq!(str_at(&event, &["reportingController"]), "kubelet");
        to_core_group(&mut event);
        assert_eq!(event, core);
    }
}
