//! Sequences of writes recorded from a real kube-apiserver v1.36.3, replayed: the same owners, the same values, the same refusals.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use comity_core::{Value, object};
use comity_schema::{
    Schema, builtin, crd,
    managed::{Write, apply, keep_times, reset_fields, update},
};
use serde_json::{Map, json};

fn schema_of(case: &Value) -> Schema {
    if let Some(schema) = case.get("schema") {
        return crd::compile(schema).unwrap();
    }
    let (group, version, plural) = match case["kind"].as_str().unwrap() {
        "ConfigMap" => ("", "v1", "configmaps"),
        "Service" => ("", "v1", "services"),
        "Pod" => ("", "v1", "pods"),
        "Deployment" => ("apps", "v1", "deployments"),
        other => panic!("{other} is not in the table of this test"),
    };
    builtin::table().find(group, version, plural).unwrap().schema.clone()
}

fn text<'a>(step: &'a Value, key: &str) -> &'a str {
    step[key].as_str().unwrap_or("")
}

fn owners(object: &Value) -> Value {
    object::at(object, &["metadata", "managedFields"]).cloned().unwrap_or_default()
}

/// Replays one step; answers the object that follows.
fn replay(at: &str, schema: &Schema, case: &Value, live: Option<Value>, step: &Value) -> Option<Value> {
    let answer = step.get("answer").or(live.as_ref());
    let of = answer.unwrap_or(&step["config"]);
    let kind = object::gvk(of);
    let api_version = kind.api_version();
    let write = Write {
        manager: text(step, "manager"),
        api_version: &api_version,
        subresource: text(step, "subresource"),
        now: text(step, "now"),
        reset: reset_fields(&kind.group, &kind.kind, case.get("schema").is_some(), text(step, "subresource")),
    };
    if text(step, "op") == "update" {
        let answer = answer.unwrap_or_else(|| panic!("{at}: an update has an answer"));
        let mut new = answer.clone();
        object::remove(&mut new, &["metadata", "managedFields"]);
        if live.is_none() && kind.kind == "Pod" {
            // What admission adds after owners are noted.
            object::remove(&mut new, &["spec", "priority"]);
            object::remove(&mut new, &["spec", "preemptionPolicy"]);
        }
        if let Some(entries) = step.get("entries").filter(|e| !e.is_null()) {
            object::set(&mut new, &["metadata", "managedFields"], entries.clone());
        }
        let mut got = update(schema, live.as_ref(), new, &write);
        if let Some(live) = &live {
            keep_times(live, &mut got);
        }
        schema.canonicalize(&mut got);
        same(&owners(&got), &owners(answer), at);
        return Some(answer.clone());
    }
    let result = apply(schema, live.as_ref(), &step["config"], step["force"] == true, &write);
    match (result, step.get("error")) {
        (Err(status), Some(error)) => {
            let lines = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines.join("\n")
            };
            assert_eq!(lines(&status.message), lines(text(error, "message")), "{at}");
            assert_eq!(u64::from(status.code), error["code"].as_u64().unwrap(), "{at}");
            let mut causes: Vec<Value> = status.details.get("causes").and_then(Value::as_array).cloned().unwrap_or_default();
            causes.sort_by_key(|c| (text(c, "message").to_owned(), text(c, "field").to_owned()));
            let causes: Vec<Value> = causes.iter().map(|c| json!([c["message"], c["field"]])).collect();
            assert_eq!(Value::Array(causes), error["causes"], "{at}");
            live
        }
        // Validation refuses it later.
        (Ok(_), Some(error)) if error["code"] == 422 => live,
        (Ok(_), Some(error)) => panic!("{at}: should have been refused: {error}"),
        (Err(status), None) => panic!("{at}: {status}"),
        (Ok(None), None) => {
            assert_eq!(step["unchanged"], true, "{at}: the real server changed the object");
            live
        }
        (Ok(Some(got)), None) => {
            let answer = answer.unwrap_or_else(|| panic!("{at}: no answer"));
            covered(at, &got, answer);
            if let Some(live) = &live {
                not_lost(at, live, &got, answer);
            }
            let mut stored = answer.clone();
            object::set(&mut stored, &["metadata", "managedFields"], owners(&got));
            if let Some(live) = &live {
                keep_times(live, &mut stored);
            }
            schema.canonicalize(&mut stored);
            same(&owners(&stored), &owners(answer), at);
            Some(answer.clone())
        }
    }
}

/// Equality in every byte; a difference is shown by its lines.
fn same(got: &Value, expected: &Value, at: &str) {
    let [got, expected] = [got, expected].map(|value| serde_json::to_string_pretty(value).unwrap());
    let only = |a: &str, b: &str| a.lines().filter(|line| !b.lines().any(|other| other == *line)).collect::<Vec<_>>().join("\n");
    assert!(got == expected, "{at}\nonly here:\n{}\nonly on the real server:\n{}", only(&got, &expected), only(&expected, &got));
}

/// Every value of the merged object is in the real server's answer (which has defaults besides).
fn covered(at: &str, got: &Value, answer: &Value) {
    match (got, answer) {
        (Value::Object(got), Value::Object(answer)) => {
            for (key, value) in got.iter().filter(|(key, value)| *key != "managedFields" && !is_void(value)) {
                // Quantities are made canonical later; times of creation are the server's.
                if !matches!(key.as_str(), "cpu" | "creationTimestamp" | "resourceVersion" | "generation") {
                    covered(&format!("{at} .{key}"), value, answer.get(key).unwrap_or(&Value::Null));
                }
            }
        }
        (Value::Array(got), Value::Array(answer)) => {
            assert_eq!(got.len(), answer.len(), "{at}");
            for (index, (got, answer)) in got.iter().zip(answer).enumerate() {
                covered(&format!("{at} [{index}]"), got, answer);
            }
        }
        (got, answer) => assert_eq!(got, answer, "{at}"),
    }
}

fn is_void(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Nothing that the object had and that the real server kept is missing, but for what defaulting brings back.
fn not_lost(at: &str, live: &Value, got: &Value, answer: &Value) {
    if let (Value::Object(live), Value::Object(got), Value::Object(answer)) = (live, got, answer) {
        for (key, value) in live {
            if matches!(key.as_str(), "managedFields" | "generation" | "resourceVersion" | "replicas") {
                continue;
            }
            match (got.get(key), answer.get(key)) {
                (Some(got), Some(answer)) => not_lost(&format!("{at} .{key}"), value, got, answer),
                (None, Some(answer)) => assert_ne!(value, answer, "{at} .{key} was lost"),
                _ => {}
            }
        }
    }
}

#[test]
fn recorded_sequences_give_the_same_owners_values_and_refusals() {
    let cases: Value = serde_json::from_str(include_str!("fixtures/ownership.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let schema = schema_of(case);
        let mut live = None;
        for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let at = format!("{}, step {number} ({} {})", case["name"], text(step, "op"), text(step, "manager"));
            live = replay(&at, &schema, case, live, step);
        }
    }
}
