//! Budgets, quotas and shares.

use comity_core::{Value, object};

use super::cells::{At, Cells, number, quantity, scalar, text};

pub(super) fn disruption_budget(object: &Value, at: At) -> Cells {
    let bound = |key: &str| object::at(object, &["spec", key]).map_or_else(|| "N/A".to_owned(), scalar);
    vec![
        object::name(object).into(),
        bound("minAvailable").into(),
        bound("maxUnavailable").into(),
        number(object, &["status", "disruptionsAllowed"]).into(),
        at.age(object),
    ]
}

pub(super) fn quota(object: &Value, at: At) -> Cells {
    let hard = object::at(object, &["status", "hard"]).and_then(Value::as_object);
    let mut resources: Vec<&str> = hard.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    resources.sort_unstable();
    let of = |limits: bool| {
        let chosen = resources.iter().filter(|name| name.starts_with("limits.") == limits);
        let texts = chosen
            .map(|name| format!("{name}: {}/{}", quantity(object, &["status", "used", name]), quantity(object, &["status", "hard", name])));
        texts.collect::<Vec<_>>().join(", ")
    };
    vec![object::name(object).into(), of(false).into(), of(true).into(), at.age(object)]
}

pub(super) fn flow_schema(object: &Value, at: At) -> Cells {
    let method = object::at(object, &["spec", "distinguisherMethod"]).map_or("<none>", |method| text(method, &["type"]));
    let dangling = super::cells::condition(object, "Dangling").map_or("?", |condition| text(condition, &["status"]));
    vec![
        object::name(object).into(),
        text(object, &["spec", "priorityLevelConfiguration", "name"]).into(),
        number(object, &["spec", "matchingPrecedence"]).into(),
        method.into(),
        at.age(object),
        dangling.into(),
    ]
}

pub(super) fn priority_level(object: &Value, at: At) -> Cells {
    let limited = object::at(object, &["spec", "limited"]);
    let queuing = limited.and_then(|limited| object::at(limited, &["limitResponse", "queuing"]));
    let of = |part: Option<&Value>, key: &str| part.map_or_else(|| Value::from("<none>"), |part| number(part, &[key]).into());
    vec![
        object::name(object).into(),
        text(object, &["spec", "type"]).into(),
        of(limited, "nominalConcurrencyShares"),
        of(queuing, "queues"),
        of(queuing, "handSize"),
        of(queuing, "queueLengthLimit"),
        at.age(object),
    ]
}

pub(super) fn resource_claim(object: &Value, at: At) -> Cells {
    let allocated = object::at(object, &["status", "allocation"]).is_some();
    let reserved = !object::items_at(object, &["status", "reservedFor"]).is_empty();
    let deleted = object::is_deleting(object);
    let states = [("deleted", deleted), ("pending", !allocated && !deleted), ("allocated", allocated), ("reserved", allocated && reserved)];
    let state = states.iter().filter(|(_, holds)| *holds).map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    vec![object::name(object).into(), state.into(), at.age(object)]
}

pub(super) fn resource_slice(object: &Value, at: At) -> Cells {
    vec![
        object::name(object).into(),
        text(object, &["spec", "nodeName"]).into(),
        text(object, &["spec", "driver"]).into(),
        text(object, &["spec", "pool", "name"]).into(),
        at.age(object),
    ]
}
