//! Events, in both of their groups.

use comity_core::{Value, object};

use super::cells::{At, Cells, number, or, text};

pub(super) fn event(object: &Value, at: At) -> Cells {
    // The newer group has other names for what it took over.
    let is_new = object.get("regarding").is_some() || text(object, &["apiVersion"]).starts_with("events.k8s.io/");
    let key = |old: &'static str, new: &'static str| if is_new { new } else { old };
    let regarding = key("involvedObject", "regarding");
    let source = key("source", "deprecatedSource");

    let first = match text(object, &[key("firstTimestamp", "deprecatedFirstTimestamp")]) {
        "" => at.since(text(object, &["eventTime"])),
        moment => at.since(moment),
    };
    let mut last = match text(object, &[key("lastTimestamp", "deprecatedLastTimestamp")]) {
        "" => first.clone(),
        moment => at.since(moment),
    };
    let mut count = number(object, &[key("count", "deprecatedCount")]);
    if object.get("series").is_some_and(Value::is_object) {
        last = at.since(text(object, &["series", "lastObservedTime"]));
        count = number(object, &["series", "count"]);
    } else if count == 0 {
        count = 1;
    }
    let kind = text(object, &[regarding, "kind"]).to_lowercase();
    let target = match text(object, &[regarding, "name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let controller = text(object, &[key("reportingComponent", "reportingController")]);
    let component = or(text(object, &[source, "component"]), controller);
    let reporter = match or(text(object, &[source, "host"]), text(object, &["reportingInstance"])) {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    };
    vec![
        last.into(),
        text(object, &["type"]).into(),
        text(object, &["reason"]).into(),
        target.into(),
        text(object, &[regarding, "fieldPath"]).into(),
        reporter.into(),
        text(object, &[key("message", "note")]).trim().into(),
        first.into(),
        count.into(),
        object::name(object).into(),
    ]
}
