//! Sending a script and keeping what was answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::normal::Normal;
use super::script::{Script, Step};
use crate::client::{Answer, Client};

/// Headers that clients act upon.
const HEADERS: [&str; 5] = ["content-type", "warning", "retry-after", "location", "allow"];

const PATIENCE: Duration = Duration::from_secs(20);

/// An answer in comparable form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Name of the step.
    pub step: String,
    /// HTTP status.
    pub status: u16,
    /// Headers that clients act upon.
    pub headers: BTreeMap<String, String>,
    /// JSON, a list of JSON documents for a watch, or text.
    pub body: Value,
}

/// Sends all requests of a script, one after the other.
pub fn send(script: &Script, client: &Client) -> anyhow::Result<Vec<Recorded>> {
    let mut saved: BTreeMap<String, String> = BTreeMap::new();
    let mut answers = Vec::new();
    for step in &script.steps {
        let answer = send_step(step, client, &saved).with_context(|| format!("{}: {}", script.name, step.name))?;
        let body = body_of(&answer);
        for (name, pointer) in &step.save {
            let value = match body.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                // The step failed, which is a difference of its own.
                None => String::new(),
            };
            saved.insert(name.clone(), value);
        }
        answers.push((step, answer, body));
    }
    let mut normal = Normal::default();
    for (_, _, body) in &answers {
        normal.look(body);
    }
    let recorded = answers.into_iter().map(|(step, answer, mut body)| {
        normal.body(&mut body);
        for pointer in step.except.keys() {
            if let Some(value) = body.pointer_mut(pointer) {
                *value = Value::String("(not compared)".to_owned());
            }
        }
        let header = |name: &&str| {
            let values: Vec<&str> = answer.headers.get_all(*name).iter().filter_map(|value| value.to_str().ok()).collect();
            (!values.is_empty()).then(|| ((**name).to_owned(), normal.text(&values.join("\n"))))
        };
        Recorded { step: step.name.clone(), status: answer.status, headers: HEADERS.iter().filter_map(header).collect(), body }
    });
    Ok(recorded.collect())
}

fn send_step(step: &Step, client: &Client, saved: &BTreeMap<String, String>) -> anyhow::Result<Answer> {
    let path = fill(&step.path, saved);
    let body = match (&step.body, &step.text) {
        (Some(body), _) => Some(fill(&body.to_string(), saved).into_bytes()),
        (None, Some(text)) => Some(fill(text, saved).into_bytes()),
        (None, None) => None,
    };
    let filled: Vec<(&String, String)> = step.headers.iter().map(|(name, value)| (name, fill(value, saved))).collect();
    let mut headers: Vec<(&str, &str)> = filled.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if body.is_some() && !step.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type", "application/json"));
    }
    let client = if step.anonymous { &client.anonymous() } else { client };
    let begin = Instant::now();
    loop {
        let answer = client.send(&step.method, &path, &headers, body.as_deref())?;
        if step.until_status.is_none_or(|wanted| answer.status == wanted) || begin.elapsed() > PATIENCE {
            return Ok(answer);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn fill(text: &str, saved: &BTreeMap<String, String>) -> String {
    saved.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

fn body_of(answer: &Answer) -> Value {
    let mut documents: Vec<Value> = Vec::new();
    for document in serde_json::Deserializer::from_slice(&answer.body).into_iter() {
        match document {
            Ok(document) => documents.push(document),
            Err(_) => return Value::String(answer.text()),
        }
    }
    let watch = documents.first().is_some_and(|first| first.get("type").is_some() && first.get("object").is_some());
    match documents.len() {
        1 if !watch => documents.remove(0),
        0 => Value::String(String::new()),
        _ => Value::Array(documents),
    }
}
