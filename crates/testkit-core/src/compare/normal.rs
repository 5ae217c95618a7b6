//! The form in which answers of two servers are comparable.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

/// Accidental values of one run, in the order in which they were first seen.
#[derive(Debug, Default)]
pub struct Normal {
    uids: Vec<String>,
    revisions: BTreeSet<u64>,
    generated: BTreeSet<String>,
}

#[allow(clippy::expect_used)]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

static UID: LazyLock<Regex> = LazyLock::new(|| pattern("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
static MICRO_TIME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"));
static TIME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"));
static TOKEN_VOLUME: LazyLock<Regex> = LazyLock::new(|| pattern("kube-api-access-[a-z0-9]{5}"));
static REVISION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(ResourceVersion in (?:the precondition|record) \(|"resourceVersion":"|"resourceVersion\\":\\")(\d+)"#));
static AGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\d+[smhd]|\d+m\d+s)$"));
static IPV4: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\d+\.\d+\.\d+\.\d+$"));

impl Normal {
    /// Notes the accidental values of a body; every body of a run, in order, before the first [`Self::body`].
    pub fn look(&mut self, body: &Value) {
        match body {
            Value::String(text) => {
                for uid in UID.find_iter(text) {
                    if !self.uids.iter().any(|known| known == uid.as_str()) {
                        self.uids.push(uid.as_str().to_owned());
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|item| self.look(item)),
            Value::Object(map) => {
                if let Some(Value::Object(metadata)) = map.get("metadata") {
                    self.look_metadata(map, metadata);
                }
                map.values().for_each(|value| self.look(value));
            }
            _ => {}
        }
    }

    fn look_metadata(&mut self, object: &Map<String, Value>, metadata: &Map<String, Value>) {
        if let Some(revision) = metadata.get("resourceVersion").and_then(Value::as_str).and_then(|text| text.parse().ok())
            && !is_list(object)
        {
            self.revisions.insert(revision);
        }
        if let (Some(prefix), Some(name)) = (text_of(metadata, "generateName"), text_of(metadata, "name"))
            && name.len() == prefix.len() + 5
            && name.starts_with(prefix)
        {
            self.generated.insert(name.to_owned());
        }
    }

    /// Brings a body into comparable form.
    pub fn body(&self, body: &mut Value) {
        self.value("", body);
    }

    /// Brings a text into comparable form.
    pub fn text(&self, text: &str) -> String {
        let mut text = UID.replace_all(text, |found: &regex::Captures<'_>| self.uid(&found[0])).into_owned();
        text = MICRO_TIME.replace_all(&text, "(time in microseconds)").into_owned();
        text = TIME.replace_all(&text, "(time)").into_owned();
        text = TOKEN_VOLUME.replace_all(&text, "kube-api-access-(suffix)").into_owned();
        let revision = |found: &regex::Captures<'_>| format!("{}{}", &found[1], self.revision(&found[2]));
        text = REVISION.replace_all(&text, revision).into_owned();
        for name in &self.generated {
            text = text.replace(name, &format!("{}(suffix)", &name[..name.len() - 5]));
        }
        text
    }

    fn uid(&self, uid: &str) -> String {
        let at = self.uids.iter().position(|known| known == uid);
        at.map_or_else(|| "(uid)".to_owned(), |at| format!("(uid {})", at + 1))
    }

    fn revision(&self, text: &str) -> String {
        let rank = text.parse().ok().and_then(|revision: u64| self.revisions.iter().position(|known| *known == revision));
        rank.map_or_else(|| "(revision)".to_owned(), |rank| format!("(revision {})", rank + 1))
    }

    fn value(&self, key: &str, value: &mut Value) {
        match value {
            Value::String(text) => {
                let new = match key {
                    "resourceVersion" if text.parse::<u64>().is_ok_and(|revision| revision > 0) => self.revision(text),
                    "continue" if !text.is_empty() => "(continue)".to_owned(),
                    "cells" if AGE.is_match(text) => "(age)".to_owned(),
                    "clusterIP" | "clusterIPs" if IPV4.is_match(text) => "(address)".to_owned(),
                    "gitCommit" | "buildDate" | "goVersion" | "compiler" | "platform" | "gitTreeState" => "(build)".to_owned(),
                    _ => self.text(text),
                };
                *text = new;
            }
            Value::Number(_) if key == "nodePort" || key == "healthCheckNodePort" => *value = "(port)".into(),
            Value::Array(list) => {
                list.iter_mut().for_each(|item| self.value(key, item));
                match key {
                    // Collected from a map by the real server.
                    "nonResourceRules" | "resourceRules" => list.sort_by_key(Value::to_string),
                    // Sorted by time, to the second.
                    "managedFields" => list.sort_by_key(|entry| {
                        ["manager", "operation", "subresource", "apiVersion"].map(|key| entry[key].as_str().unwrap_or_default().to_owned())
                    }),
                    _ => {}
                }
            }
            Value::Object(map) => {
                sort_causes(map);
                let list = is_list(map);
                for (key, value) in map.iter_mut() {
                    match value {
                        Value::Object(metadata) if key == "metadata" && list => self.list_metadata(metadata),
                        value => self.value(key, value),
                    }
                }
            }
            _ => {}
        }
    }

    /// A list's revision moves with whatever else the server does.
    fn list_metadata(&self, metadata: &mut Map<String, Value>) {
        for (key, value) in metadata.iter_mut() {
            match key.as_str() {
                "resourceVersion" if value.as_str().is_some_and(|text| text.parse::<u64>().is_ok()) => *value = "(list)".into(),
                key => self.value(key, value),
            }
        }
    }
}

/// The real server lists what it found in maps in another order each time.
fn sort_causes(status: &mut Map<String, Value>) {
    let Some(causes) = status.get_mut("details").and_then(|details| details.get_mut("causes")).and_then(Value::as_array_mut) else {
        return;
    };
    if causes.len() < 2 {
        return;
    }
    causes.sort_by_key(|cause| (cause["field"].to_string(), cause["message"].to_string()));
    if let Some(Value::String(message)) = status.get_mut("message")
        && let Some((head, _)) = message.split_once("is invalid: [")
    {
        *message = format!("{head}is invalid: [(the causes)]");
    }
}

fn is_list(object: &Map<String, Value>) -> bool {
    object.contains_key("items") || object.contains_key("rows")
}

fn text_of<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn accidental_values_become_equal_and_keep_their_identity() {
        let run = |uid: &str, other: &str, revisions: [u64; 2], second: u8| {
            let mut bodies = [
                json!({"metadata": {"uid": uid, "resourceVersion": revisions[0].to_string(), "generateName": "a-", "name": format!("a-{:05}", revisions[0]),
                    "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")}}),
                json!({"metadata": {"uid": other, "resourceVersion": revisions[1].to_string()}, "message": format!("uid {uid} of a-{:05}", revisions[0])}),
                json!({"metadata": {"resourceVersion": (revisions[1] + 7).to_string()}, "items": []}),
            ];
            let mut normal = Normal::default();
            bodies.iter().for_each(|body| normal.look(body));
            bodies.iter_mut().for_each(|body| normal.body(body));
            bodies
        };
        let one = run("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222", [5, 9], 1);
        let two = run("33333333-3333-3333-3333-333333333333", "11111111-1111-1111-1111-111111111111", [70, 71], 2);
        assert_eq!(one, two);
        assert_eq!(one[1]["message"], "uid (uid 1) of a-(suffix)");
        assert_eq!(one[1]["metadata"]["resourceVersion"], "(revision 2)");
        assert_eq!(Normal::default().text(r#"{"resourceVersion":"314"}"#), r#"{"resourceVersion":"(revision)"}"#);
    }

    #[test]
    fn order_of_revisions_is_compared() {
        let run = |revisions: [u64; 2]| {
            let mut bodies = revisions.map(|revision| json!({"metadata": {"resourceVersion": revision.to_string()}}));
            let mut normal = Normal::default();
            bodies.iter().for_each(|body| normal.look(body));
            bodies.iter_mut().for_each(|body| normal.body(body));
            bodies
        };
        assert_ne!(run([1, 2]), run([2, 1]));
        assert_ne!(run([1, 2]), run([1, 1]));
    }
}
