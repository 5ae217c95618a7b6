//! Answers that a real kube-apiserver v1.36.3 gave to the same objects; one JSON line per case in `recorded/`: what was given, what came back.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use comity_core::{Value, object};
use comity_schema::{builtin, strategic, validation};

/// What create strategies and admission plugins add: not the schema's business.
const NOT_OURS: &[(&str, &[&str])] = &[
    ("Service", &["spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy"]),
    ("Pod", &["spec.tolerations", "spec.priority", "spec.preemptionPolicy", "spec.serviceAccountName", "status.phase", "status.qosClass"]),
    ("Namespace", &["spec.finalizers"]),
    ("DaemonSet", &["metadata.annotations"]),
    ("PersistentVolumeClaim", &["metadata.finalizers"]),
    ("PersistentVolume", &["metadata.finalizers", "status.lastPhaseTransitionTime"]),
    ("Node", &["spec.taints"]),
    ("CustomResourceDefinition", &["status"]),
    ("APIService", &["status"]),
];

fn cases(text: &str) -> Vec<(Value, Value)> {
    text.lines()
        .map(|line| {
            let mut case: Value = serde_json::from_str(line).unwrap();
            (case["given"].take(), case["answer"].take())
        })
        .collect()
}

#[test]
fn defaults_and_canonical_form_equal_the_recorded_answers() {
    let mut differences = String::new();
    for (given, mut answer) in cases(include_str!("recorded/defaults.jsonl")) {
        let kind = object::gvk(&given);
        let schema = builtin::table().type_schema(&kind).unwrap();
        let mut v = given;
        assert_eq!(schema.prune(&mut v), [""; 0], "{kind}");
        schema.check_types(&v).unwrap();
        schema.default(&mut v);
        schema.canonicalize(&mut v);
        object::remove(&mut answer, &["metadata", "namespace"]);
        for path in NOT_OURS.iter().filter(|(k, _)| *k == kind.kind).flat_map(|(_, paths)| *paths) {
            let path: Vec<&str> = path.split('.').collect();
            object::remove(&mut answer, &path);
            object::remove(&mut v, &path);
        }
        for status in [&mut answer, &mut v] {
            if status["status"].as_object().is_some_and(|m| m.is_empty()) {
                object::remove(status, &["status"]);
            }
        }
        let (ours, theirs) = (serde_json::to_string_pretty(&v).unwrap(), serde_json::to_string_pretty(&answer).unwrap());
        if ours != theirs {
            let _ = writeln!(differences, "== {kind}");
            for line in theirs.lines().filter(|l| !ours.lines().any(|o| o == *l)) {
                let _ = writeln!(differences, "  server only: {line}");
            }
            for line in ours.lines().filter(|l| !theirs.lines().any(|o| o == *l)) {
                let _ = writeln!(differences, "  ours only:   {line}");
            }
            if ours.lines().count() == theirs.lines().count() {
                let _ = writeln!(differences, "{ours}\n----\n{theirs}");
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn strategic_merges_equal_the_recorded_answers() {
    let mut differences = String::new();
    for (given, answer) in cases(include_str!("recorded/strategic.jsonl")) {
        let schema = builtin::table().type_schema(&object::gvk(&given["base"])).unwrap();
        match strategic::merge(&schema, &given["base"], &given["patch"]) {
            Err(status) => {
                if status.message != answer["message"].as_str().unwrap_or_default() || i64::from(status.code) != answer["code"] {
                    let _ = writeln!(differences, "{}\n  ours: {} {status}\n  server: {answer}", given["patch"], status.code);
                }
            }
            // What a merge produced and validation refused is not a matter of merging.
            Ok(_) if answer["code"] == 422 => {}
            Ok(mut v) => {
                schema.prune(&mut v);
                schema.default(&mut v);
                schema.canonicalize(&mut v);
                let mut answer = answer;
                for v in [&mut v, &mut answer] {
                    object::remove(v, &["metadata", "generation"]);
                }
                let (ours, theirs) = (v.to_string(), answer.to_string());
                if ours != theirs {
                    let _ = writeln!(differences, "{}\n  ours:   {ours}\n  server: {theirs}", given["patch"]);
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn protobuf_bodies_decode_to_what_json_bodies_hold() {
    let mut differences = String::new();
    for (given, mut json) in cases(include_str!("recorded/protobuf.jsonl")) {
        let kind = object::gvk(&json);
        let schema = builtin::table().type_schema(&kind).unwrap();
        let mut decoded = comity_schema::protobuf::decode(&unhex(given.as_str().unwrap())).map_err(|e| format!("{kind}: {e}")).unwrap();
        schema.check_types(&decoded).unwrap();
        for v in [&mut decoded, &mut json] {
            schema.prune(v);
            schema.canonicalize(v);
        }
        let (ours, theirs) = (decoded.to_string(), json.to_string());
        if ours != theirs {
            let _ = writeln!(differences, "{kind}\n  ours:   {ours}\n  theirs: {theirs}");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn definitions_are_refused_with_the_recorded_texts() {
    let mut differences = String::new();
    for (given, answer) in cases(include_str!("recorded/definitions.jsonl")) {
        let schema = builtin::table().type_schema(&object::gvk(&given)).unwrap();
        let mut v = given.clone();
        schema.prune(&mut v);
        schema.default(&mut v);
        let errors = comity_schema::crd::validate_definition(&v, None);
        let ours = if errors.is_empty() {
            String::new()
        } else {
            comity_core::Status::invalid(&object::gvk(&v).group_kind(), object::name(&v), &errors).message
        };
        if ours != answer["message"] {
            let _ = writeln!(differences, "{given}\n  ours:   {ours}\n  server: {}", answer["message"].as_str().unwrap_or_default());
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// The parts of a message without their order (Go's maps have none) and without the diff that follows some.
fn comparable(message: &str) -> Vec<&str> {
    let inner = message.split_once(" is invalid: ").map_or(message, |(_, m)| m);
    let mut parts: Vec<&str> = inner.lines().next().unwrap_or_default().split(", ").map(|p| p.trim_matches(['[', ']'])).collect();
    parts.sort_unstable();
    parts
}

#[test]
fn builtin_kinds_are_refused_with_the_recorded_texts() {
    let mut differences = String::new();
    for (given, answer) in cases(include_str!("recorded/validation.jsonl")) {
        let kind = object::gvk(&given["new"]);
        let schema = builtin::table().type_schema(&kind).unwrap();
        let mut v = given["new"].clone();
        schema.prune(&mut v);
        schema.default(&mut v);
        schema.canonicalize(&mut v);
        let old = given.get("old").filter(|o| !o.is_null());
        let namespaced = given["namespaced"] == true;
        if namespaced && old.is_none() {
            object::set(&mut v, &["metadata", "namespace"], "default".into());
        }
        let info = builtin::table().find_kind(&kind).unwrap();
        let mut errors = match old {
            None => validation::metadata(&v, namespaced, validation::NameRule::of(&kind.group, &info.plural)),
            Some(old) => validation::metadata_update(&v, old),
        };
        errors.extend(validation::builtin(&kind, &v, old));
        let ours = if errors.is_empty() {
            String::new()
        } else {
            comity_core::Status::invalid(&kind.group_kind(), object::name(&v), &errors).message
        };
        let theirs = answer["message"].as_str().unwrap_or_default();
        if comparable(&ours) != comparable(theirs) {
            let _ = writeln!(differences, "{}\n  ours:   {ours}\n  server: {theirs}", given["new"]["spec"]);
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn wrong_json_types_have_the_recorded_texts() {
    let mut differences = String::new();
    for (given, answer) in cases(include_str!("recorded/types.jsonl")) {
        let kind = object::gvk(&given);
        let schema = builtin::table().type_schema(&kind).unwrap();
        let ours = schema.check_types(&given).err().unwrap_or_default();
        let theirs = answer["message"].as_str().unwrap_or_default();
        let theirs = theirs.split_once(" cannot be handled as a ").and_then(|(_, t)| t.split_once(": ")).map_or(theirs, |(_, t)| t);
        if ours != theirs {
            let _ = writeln!(differences, "{given}\n  ours:   {ours}\n  server: {theirs}");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn custom_objects_are_answered_as_recorded() {
    let mut cases = cases(include_str!("recorded/custom.jsonl"));
    let schema = comity_schema::crd::compile(&cases.remove(0).0).unwrap();
    let mut differences = String::new();
    for (given, answer) in cases {
        let mut v = given.clone();
        let ours = match schema.check_types(&v) {
            Err(why) => why,
            Ok(()) => {
                schema.prune(&mut v);
                schema.default(&mut v);
                schema.canonicalize(&mut v);
                let errors = schema.validate(&v, None);
                let group_kind = object::gvk(&v).group_kind();
                if errors.is_empty() { String::new() } else { comity_core::Status::invalid(&group_kind, "a", &errors).message }
            }
        };
        let theirs = answer["message"].as_str().unwrap_or_default();
        let theirs = theirs.split_once(" cannot be handled as a ").and_then(|(_, t)| t.split_once(": ")).map_or(theirs, |(_, t)| t);
        if comparable(&ours) != comparable(theirs) {
            let _ = writeln!(differences, "{given}\n  ours:   {ours}\n  server: {theirs}");
        } else if theirs.is_empty() && v.get("spec").unwrap_or(&Value::Null) != &answer["spec"] {
            let _ = writeln!(differences, "{given}\n  ours:   {v}\n  server: {}", answer["spec"]);
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
