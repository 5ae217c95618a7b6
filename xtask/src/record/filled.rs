//! What the server fills in on create: every fixture is sent as a dry run, and sent and answered objects are walked together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, bail};
use comity_schema::table::{Resource, Shape, Type};
use comity_testkit_core::client::Client;
use serde_json::{Value, json};

use super::discovery::prefix;
use crate::run::top;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// What was observed about one field that a fixture did not set.
#[derive(Debug, Default)]
pub struct Seen {
    /// Values that the server added, with the fixtures in which it did.
    added: Vec<(Value, Vec<String>)>,
    /// Fixtures whose parent object was present and stayed without the field.
    absent: Vec<String>,
}

/// Observations by (type, field), and fresh status by (group, version, plural).
#[derive(Debug, Default)]
pub struct Observations {
    fields: BTreeMap<(String, String), Seen>,
    status: BTreeMap<(String, String, String), Seen>,
    /// Fields of fresh status that hold the time of creation.
    times: BTreeSet<String>,
}

impl Seen {
    fn add(&mut self, value: Option<&Value>, fixture: &str) {
        let Some(mut value) = value.cloned() else {
            self.absent.push(fixture.to_owned());
            return;
        };
        hide_uids(&mut value);
        match self.added.iter_mut().find(|(known, _)| *known == value) {
            Some((_, fixtures)) => fixtures.push(fixture.to_owned()),
            None => self.added.push((value, vec![fixture.to_owned()])),
        }
    }

    /// The one value that was always added.
    fn constant(&self) -> Option<&Value> {
        match self.added.as_slice() {
            [(value, _)] if self.absent.is_empty() => Some(value),
            _ => None,
        }
    }

    fn note(&self, what: &str) -> String {
        let mut text = format!("`{what}`:");
        for (value, fixtures) in &self.added {
            let mut value = value.to_string();
            if value.chars().count() > 80 {
                value = format!("{}…", value.chars().take(80).collect::<String>());
            }
            text.push_str(&format!(" `{value}` in {},", times(fixtures)));
        }
        if !self.absent.is_empty() {
            text.push_str(&format!(" nothing in {},", times(&self.absent)));
        }
        text.trim_end_matches(',').to_owned()
    }
}

/// Fresh uids would differ from run to run.
fn hide_uids(value: &mut Value) {
    match value {
        Value::String(text) if text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4 => *text = "(uid)".to_owned(),
        Value::Array(list) => list.iter_mut().for_each(hide_uids),
        Value::Object(map) => map.values_mut().for_each(hide_uids),
        _ => {}
    }
}

fn times(fixtures: &[String]) -> String {
    match fixtures {
        [] => "no fixture".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

/// Sends all fixtures.
pub fn observe(client: &Client, resources: &[Resource], types: &BTreeMap<String, Type>) -> anyhow::Result<Observations> {
    let mut observations = Observations::default();
    let mut refused = Vec::new();
    for (file, fixture) in fixtures()? {
        let name = format!("{} {}", text(&fixture["kind"]), text(&fixture["metadata"]["name"]));
        let resource = resource_of(&fixture, resources).with_context(|| format!("{file}: {name}"))?;
        let base = prefix(&resource.group, &resource.version);
        let path = match (resource.namespaced, fixture["metadata"]["namespace"].as_str()) {
            (true, namespace) => format!("{base}/namespaces/{}/{}", namespace.unwrap_or("default"), resource.plural),
            (false, _) => format!("{base}/{}", resource.plural),
        };
        let body = serde_json::to_vec(&fixture)?;
        let answer = client.send(
            "POST",
            &format!("{path}?dryRun=All&fieldValidation=Strict"),
            &[("Content-Type", "application/json")],
            Some(&body),
        )?;
        if answer.status != 201 {
            refused.push(format!("{file}: {name}: {}", text(&answer.json()?["message"])));
            continue;
        }
        let answered = answer.json()?;
        if fixture.get("status").is_none() {
            let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
            let mut status = answered.get("status").cloned();
            if let Some(Value::Object(fields)) = &mut status {
                // The time of creation is no constant.
                let times: Vec<String> = fields.keys().filter(|field| field.ends_with("Time")).cloned().collect();
                for field in times {
                    fields.remove(&field);
                    observations.times.insert(format!("{}.status.{field}", resource.type_name));
                }
            }
            observations.status.entry(key).or_default().add(status.as_ref(), &name);
        }
        Walk { types, fixture: &name, into: &mut observations.fields }.root(&resource.type_name, &fixture, &answered);
    }
    if !refused.is_empty() {
        bail!("the server refused fixtures:\n{}", refused.join("\n"));
    }
    observe_ephemeral(client, resources, types, &mut observations)?;
    Ok(observations)
}

/// Ephemeral containers exist only in a subresource, which needs a stored pod.
fn observe_ephemeral(
    client: &Client,
    resources: &[Resource],
    types: &BTreeMap<String, Type>,
    observations: &mut Observations,
) -> anyhow::Result<()> {
    let json = [("Content-Type", "application/json")];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ephemeral"},
        "spec": {"containers": [{"name": "one", "image": "nginx:1"}]}});
    let resource = resource_of(&pod, resources)?;
    let path = "/api/v1/namespaces/default/pods";
    let answer = client.send("POST", path, &json, Some(&serde_json::to_vec(&pod)?))?;
    anyhow::ensure!(answer.status == 201, "create a pod: {}", answer.text());
    pod = answer.json()?;
    pod["spec"]["ephemeralContainers"] = json!([
        {"name": "two", "image": "nginx:1"},
        {"name": "three", "image": "nginx", "targetContainerName": "one", "stdin": true},
    ]);
    let body = serde_json::to_vec(&pod)?;
    let answer = client.send("PUT", &format!("{path}/ephemeral/ephemeralcontainers?dryRun=All"), &json, Some(&body))?;
    anyhow::ensure!(answer.status == 200, "add ephemeral containers: {}", answer.text());
    Walk { types, fixture: "Pod ephemeral", into: &mut observations.fields }.root(&resource.type_name, &pod, &answer.json()?);
    Ok(())
}

fn fixtures() -> anyhow::Result<Vec<(String, Value)>> {
    let folder = top().join("xtask/fixtures");
    let mut files = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&file)?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).with_context(|| format!("read {name}"))?;
        all.extend(documents.into_iter().filter(|document| !document.is_null()).map(|document| (name.clone(), document)));
    }
    Ok(all)
}

fn resource_of<'a>(fixture: &Value, resources: &'a [Resource]) -> anyhow::Result<&'a Resource> {
    let api_version = text(&fixture["apiVersion"]);
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let kind = text(&fixture["kind"]);
    resources
        .iter()
        .find(|resource| resource.group == group && resource.version == version && resource.kind == kind)
        .with_context(|| format!("no resource of kind {kind} in {api_version}"))
}

struct Walk<'a> {
    types: &'a BTreeMap<String, Type>,
    fixture: &'a str,
    into: &'a mut BTreeMap<(String, String), Seen>,
}

impl Walk<'_> {
    /// The outermost object: identity, metadata and status are the server's own.
    fn root(&mut self, type_name: &str, sent: &Value, answered: &Value) {
        self.object(type_name, sent, answered, &["kind", "apiVersion", "metadata", "status"]);
    }

    fn object(&mut self, type_name: &str, sent: &Value, answered: &Value, except: &[&str]) {
        if type_name == OBJECT_META {
            return;
        }
        let Some(known) = self.types.get(type_name) else { return };
        for field in known.fields.iter().filter(|field| !except.contains(&field.name.as_str())) {
            let (before, after) = (present(sent, &field.name), present(answered, &field.name));
            match (before, after) {
                (Some(before), Some(after)) => self.value(&field.shape, before, after),
                (Some(_), None) => {}
                (None, _) => {
                    let key = (type_name.to_owned(), field.name.clone());
                    // A zero value that Go writes is an addition too, null included.
                    self.into.entry(key).or_default().add(answered.get(&field.name), self.fixture);
                }
            }
        }
    }

    fn value(&mut self, shape: &Shape, sent: &Value, answered: &Value) {
        match (shape, sent, answered) {
            (Shape::Ref(name), ..) => match self.types.get(name).and_then(|known| known.alias.as_ref()) {
                Some(_) => {}
                None => self.object(name, sent, answered, &[]),
            },
            (Shape::List(item), Value::Array(sent), Value::Array(answered)) if sent.len() == answered.len() => {
                for (sent, answered) in sent.iter().zip(answered) {
                    self.value(item, sent, answered);
                }
            }
            (Shape::Map(item), Value::Object(sent), Value::Object(answered)) => {
                for (key, sent) in sent {
                    if let Some(answered) = answered.get(key) {
                        self.value(item, sent, answered);
                    }
                }
            }
            _ => {}
        }
    }
}

fn present<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Writes constants into the types and resources; returns a remark for everything that is no constant.
pub fn settle(seen: &Observations, types: &mut BTreeMap<String, Type>, resources: &mut [Resource]) -> Vec<String> {
    let mut notes = Vec::new();
    for ((type_name, name), seen) in &seen.fields {
        if seen.added.is_empty() {
            continue;
        }
        let field = types.get_mut(type_name).and_then(|known| known.fields.iter_mut().find(|field| field.name == *name));
        match (seen.constant(), field) {
            (Some(value), Some(field)) => field.filled = Some(value.clone()),
            _ => notes.push(seen.note(&format!("{type_name}.{name}"))),
        }
    }
    notes.extend(seen.times.iter().map(|field| format!("`{field}`: the time of creation")));
    for resource in resources {
        let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        let Some(seen) = seen.status.get(&key) else { continue };
        resource.initial_status = seen.constant().cloned();
        if resource.initial_status.is_none() && !seen.added.is_empty() {
            notes.push(seen.note(&format!("status of a fresh {}.{}", resource.plural, resource.group)));
        }
    }
    notes
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
