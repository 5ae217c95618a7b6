//! Horizontal pod autoscalers, in both of their versions.

use comity_core::{Value, json, object};

use super::cells::{At, Cells, number, scalar, text};

pub(super) fn autoscaler(object: &Value, at: At) -> Cells {
    let target = object::at(object, &["spec", "scaleTargetRef"]);
    let of = |key: &str| target.map_or("", |target| text(target, &[key]));
    let minimum = object::int_at(object, &["spec", "minReplicas"]).map_or_else(|| "<unset>".to_owned(), |n| n.to_string());
    vec![
        object::name(object).into(),
        format!("{}/{}", of("kind"), of("name")).into(),
        targets(object).into(),
        minimum.into(),
        number(object, &["spec", "maxReplicas"]).into(),
        number(object, &["status", "currentReplicas"]).into(),
        at.age(object),
    ]
}

fn targets(object: &Value) -> String {
    let old_spec;
    let old_status;
    let (specs, statuses) = match object::int_at(object, &["spec", "targetCPUUtilizationPercentage"]) {
        // The older version tells of the processor only.
        Some(wanted) => {
            let used = object::int_at(object, &["status", "currentCPUUtilizationPercentage"]);
            old_spec = [json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": wanted}}})];
            old_status =
                used.map(|used| [json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": used}}})]);
            (&old_spec[..], old_status.as_ref().map_or(&[][..], |status| &status[..]))
        }
        None => (object::items_at(object, &["spec", "metrics"]), object::items_at(object, &["status", "currentMetrics"])),
    };
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let all: Vec<String> = specs.iter().enumerate().map(|(index, spec)| metric(spec, statuses.get(index))).collect();
    super::cells::first_of(&all, 2, ", ")
}

fn metric(spec: &Value, status: Option<&Value>) -> String {
    let source = match text(spec, &["type"]) {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let wanted = |key: &str| object::at(spec, &[source, "target", key]);
    let current = |key: &str| status.and_then(|status| object::at(status, &[source, "current", key]));
    let or_unknown = |value: Option<&Value>| value.map_or_else(|| "<unknown>".to_owned(), scalar);
    let percent = |value: Option<&Value>, other: &str| value.map_or_else(|| other.to_owned(), |value| format!("{}%", scalar(value)));
    let average = wanted("averageValue");
    match source {
        "pods" => format!("{}/{}", or_unknown(current("averageValue")), average.map_or_else(String::new, scalar)),
        "external" | "object" => match average {
            Some(average) => format!("{}/{} (avg)", or_unknown(current("averageValue")), scalar(average)),
            None => format!("{}/{}", or_unknown(current("value")), wanted("value").map_or_else(String::new, scalar)),
        },
        _ => {
            let name = text(spec, &[source, "name"]);
            match average {
                Some(average) => format!("{name}: {}/{}", or_unknown(current("averageValue")), scalar(average)),
                None => {
                    let (used, wanted) = (current("averageUtilization"), wanted("averageUtilization"));
                    format!("{name}: {}/{}", percent(used, "<unknown>"), percent(wanted, "<auto>"))
                }
            }
        }
    }
}
