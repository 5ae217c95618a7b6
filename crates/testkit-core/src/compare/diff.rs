//! Differences between two answers.

use serde_json::Value;

use super::answer::Recorded;

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Where: script, step, place in the answer. Stable, without values.
    pub place: String,
    /// What: both values.
    pub what: String,
}

/// All differences between the answers of two servers to one script.
pub fn differences(script: &str, real: &[Recorded], ours: &[Recorded]) -> Vec<Difference> {
    let mut found = Vec::new();
    for real in real {
        let Some(ours) = ours.iter().find(|ours| ours.step == real.step) else { continue };
        let mut add = |place: String, what: String| found.push(Difference { place: format!("{script}: {}: {place}", real.step), what });
        if real.status != ours.status {
            // Bodies of different outcomes have nothing in common; the message tells why.
            let why = ours.body.get("message").and_then(Value::as_str).unwrap_or_default();
            add("status".to_owned(), format!("real {}, ours {} {why}", real.status, ours.status));
            continue;
        }
        let names: std::collections::BTreeSet<&String> = real.headers.keys().chain(ours.headers.keys()).collect();
        for name in names {
            let (real, ours) = (real.headers.get(name), ours.headers.get(name));
            if real != ours {
                add(format!("header {name}"), format!("real {real:?}, ours {ours:?}"));
            }
        }
        compare("body", &real.body, &ours.body, &mut add);
    }
    found
}

fn compare(place: &str, real: &Value, ours: &Value, add: &mut impl FnMut(String, String)) {
    match (real, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let mut same_keys = left.len() == right.len();
            for (key, real) in left {
                match right.get(key) {
                    Some(ours) => compare(&format!("{place}.{key}"), real, ours, add),
                    None => {
                        same_keys = false;
                        add(format!("{place}.{key}"), format!("real {}, ours nothing", short(real)));
                    }
                }
            }
            for (key, ours) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                add(format!("{place}.{key}"), format!("real nothing, ours {}", short(ours)));
            }
            if same_keys && left.keys().ne(right.keys()) {
                let order = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>().join(" ");
                add(format!("{place} (order)"), format!("real {}, ours {}", order(left), order(right)));
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (real, ours)) in left.iter().zip(right).enumerate() {
                compare(&format!("{place}[{at}]"), real, ours, add);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            add(place.to_owned(), format!("real {} items, ours {}: {} and {}", left.len(), right.len(), short(real), short(ours)));
        }
        _ if real == ours => {}
        _ => add(place.to_owned(), format!("real {}, ours {}", short(real), short(ours))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: Value) -> Recorded {
        Recorded { step: "one".into(), status, headers: std::collections::BTreeMap::new(), body }
    }

    fn places(real: Recorded, ours: Recorded) -> Vec<String> {
        differences("s", &[real], &[ours]).into_iter().map(|difference| difference.place).collect()
    }

    #[test]
    fn every_difference_has_its_place() {
        let real = answer(200, json!({"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": "x"}));
        let ours = answer(200, json!({"a": {"b": 2, "c": [1, 3]}, "e": "x", "f": 1}));
        assert_eq!(places(real, ours), ["s: one: body.a.b", "s: one: body.a.c[1]", "s: one: body.d", "s: one: body.f"]);
    }

    #[test]
    fn an_order_alone_is_told_as_such() {
        assert_eq!(places(answer(200, json!({"a": 1, "b": 2})), answer(200, json!({"b": 2, "a": 1}))), ["s: one: body (order)"]);
    }

    #[test]
    fn different_outcomes_are_one_difference() {
        assert_eq!(places(answer(200, json!({"a": 1})), answer(404, json!({"message": "no"}))), ["s: one: status"]);
        assert!(places(answer(200, json!({"a": 1})), answer(200, json!({"a": 1}))).is_empty());
    }
}
