//! OpenAPI documents: version 3 for every group and version, version 2 for everything at once.
//!
//! They are built from the embedded table each time they are asked for; nothing of them stays in memory. Paths of the deprecated
//! `watch/` prefix and descriptions of query parameters are left out.

mod custom;
mod paths;
mod source;
mod types;

use comity_core::{Map, Value, json, kinds::api_version};

use crate::builtin::{self, ResourceInfo};
use source::Source;

/// A served resource.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// What it is.
    pub info: &'a ResourceInfo,
    /// Of a custom kind the `openAPIV3Schema` of this version (null where it has none).
    pub custom: Option<&'a Value>,
}

/// The two notations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    V2,
    V3,
}

impl Style {
    fn reference(self, name: &str) -> String {
        match self {
            Style::V2 => format!("#/definitions/{name}"),
            Style::V3 => format!("#/components/schemas/{name}"),
        }
    }
}

/// The embedded data from which documents are built: what names their content, together with the definitions of custom kinds.
pub fn sources() -> [&'static [u8]; 2] {
    [builtin::TABLE, source::DESCRIPTIONS]
}

/// The path of a group and version below `/openapi/v3/`: `api/v1`, `apis/apps/v1`.
pub fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{}", api_version(group, version)) }
}

/// The index of version 3: every document's path (see [`path_of`]) with the hash of its content.
pub fn index<'a>(documents: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let entry = |(path, hash): (&str, &str)| (path.to_owned(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
    json!({"paths": documents.map(entry).collect::<Map<String, Value>>()})
}

/// The document of version 3 for one group and version, given its resources.
pub fn v3(group: &str, version: &str, served: &[Served<'_>]) -> Value {
    let source = Source::load();
    let mut paths = Map::new();
    paths::root(Style::V3, group, version, &mut paths);
    served.iter().for_each(|one| paths::resource(Style::V3, &source, one, &mut paths));
    paths.sort_keys();
    let paths = Value::Object(paths);
    let schemas = definitions(Style::V3, &source, &paths, served, Some((group, version)));
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": minor()},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"BearerToken": security()}},
    })
}

/// The document of version 2 for all resources.
pub fn v2(served: &[Served<'_>]) -> Value {
    let source = Source::load();
    let mut paths = Map::new();
    for one in served {
        paths::root(Style::V2, &one.info.group, &one.info.version, &mut paths);
        paths::resource(Style::V2, &source, one, &mut paths);
    }
    paths.sort_keys();
    let paths = Value::Object(paths);
    let definitions = definitions(Style::V2, &source, &paths, served, None);
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": minor()},
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {"BearerToken": security()},
        "security": [{"BearerToken": []}],
    })
}

fn security() -> Value {
    json!({"description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header"})
}

/// `1.36` of `v1.36.3`.
fn minor() -> String {
    let full = builtin::table().kubernetes().trim_start_matches('v');
    full.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// All types that the paths lead to.
fn definitions(style: Style, source: &Source, paths: &Value, served: &[Served<'_>], of: Option<(&str, &str)>) -> Map<String, Value> {
    let mut out = Map::new();
    for (one, schema) in served.iter().filter_map(|one| Some((one, one.custom?))) {
        custom::define(style, source, one.info, schema, &mut out);
    }
    let mut wanted = Vec::new();
    references(paths, &mut wanted);
    out.values().for_each(|value| references(value, &mut wanted));
    while let Some(name) = wanted.pop() {
        if out.contains_key(&name) {
            continue;
        }
        if let Some(definition) = types::definition(style, source, &name, of) {
            references(&definition, &mut wanted);
            out.insert(name, definition);
        }
    }
    out.sort_keys();
    out
}

/// Adds the names of the types that a value refers to.
fn references(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => out.extend(reference.rsplit('/').next().map(str::to_owned)),
                    (_, value) => references(value, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, out)),
        _ => {}
    }
}
