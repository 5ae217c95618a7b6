//! The operations on resources.

use comity_core::{Map, Value, json};

use super::{Served, Style, custom, path_of, source::Source};
use crate::table::Subresource;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// The discovery path of a group and version.
pub(super) fn root(style: Style, group: &str, version: &str, out: &mut Map<String, Value>) {
    let path = format!("/{}/", path_of(group, version));
    if out.contains_key(&path) {
        return;
    }
    let naming = Naming::of(group, version);
    let resources = format!("{META}APIResourceList");
    let get = json!({
        "tags": [naming.tag],
        "description": "get available resources",
        "operationId": format!("get{}APIResources", naming.prefix),
        "responses": responses(style, &[(200, Some(&resources)), (401, None)]),
    });
    out.insert(path, json!({"get": get}));
}

/// All paths of a resource.
pub(super) fn resource(style: Style, source: &Source, served: &Served<'_>, out: &mut Map<String, Value>) {
    let info = served.info;
    let names = Names {
        style,
        naming: Naming::of(&info.group, &info.version),
        object: type_of(source, served, &info.kind),
        list: type_of(source, served, &info.list_kind),
        kind: (info.group.clone(), info.version.clone(), info.kind.clone()),
        owner: info.kind.clone(),
        namespaced: info.namespaced,
        patches: info.patch_types.clone(),
        suffix: String::new(),
    };
    let base = format!("/{}", path_of(&info.group, &info.version));
    let scoped = if info.namespaced { format!("{base}/namespaces/{{namespace}}") } else { base.clone() };
    let verbs: Vec<&str> = info.verbs.iter().map(String::as_str).collect();

    let mut collection = Map::new();
    for (method, verb, action) in [("get", "list", "list"), ("post", "create", "post"), ("delete", "deletecollection", "deletecollection")]
    {
        if verbs.contains(&verb) {
            collection.insert(method.to_owned(), names.operation(verb, action));
        }
    }
    if info.namespaced && verbs.contains(&"list") {
        let mut list = names.operation("list", "list");
        list["operationId"] = format!("list{}{}ForAllNamespaces", names.naming.prefix, info.kind).into();
        let everywhere = Map::from_iter([("get".to_owned(), list)]);
        names.put(format!("{base}/{}", info.plural), everywhere, &[], out);
    }
    names.put(format!("{scoped}/{}", info.plural), collection, names.scope(), out);

    let item = format!("{scoped}/{}/{{name}}", info.plural);
    let own: Vec<&str> = verbs.iter().copied().filter(|verb| *verb != "create").collect();
    names.put(item.clone(), names.item(&own), &names.with_name(), out);
    for sub in &info.subresources {
        let names = names.subresource(source, served, sub);
        let verbs: Vec<&str> = sub.verbs.iter().map(String::as_str).collect();
        let operations = if sub.kind.ends_with("Options") { names.connect(&verbs) } else { names.item(&verbs) };
        names.put(format!("{item}/{}", sub.name), operations, &names.with_name(), out);
    }
}

fn type_of(source: &Source, served: &Served<'_>, kind: &str) -> Option<String> {
    match served.custom {
        Some(_) => Some(custom::type_name(served.info, kind)),
        None => source.type_of(&served.info.group, &served.info.version, kind).map(str::to_owned),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// How a group and version stand in operation names.
#[derive(Clone)]
struct Naming {
    /// `appsV1`, with a capital: `AppsV1`.
    prefix: String,
    /// `apps_v1`.
    tag: String,
}

impl Naming {
    fn of(group: &str, version: &str) -> Self {
        let group = if group.is_empty() { "core" } else { group.trim_end_matches(".k8s.io") };
        let camel: String = group.split(['.', '-']).map(capital).collect();
        let mut tag = camel.clone();
        if let Some(first) = tag.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        Self { prefix: format!("{camel}{}", capital(version)), tag: format!("{tag}_{version}") }
    }
}

#[derive(Clone)]
struct Names {
    style: Style,
    naming: Naming,
    object: Option<String>,
    list: Option<String>,
    kind: (String, String, String),
    /// The kind of the resource itself.
    owner: String,
    namespaced: bool,
    patches: Vec<String>,
    /// `Status` for the status subresource, and so on.
    suffix: String,
}

impl Names {
    fn subresource(&self, source: &Source, served: &Served<'_>, sub: &Subresource) -> Self {
        let mut names = self.clone();
        names.suffix = sub.name.split('/').map(capital).collect();
        if sub.kind != served.info.kind {
            names.kind = (sub.group.clone(), sub.version.clone(), sub.kind.clone());
            names.object = source.type_of(&sub.group, &sub.version, &sub.kind).map(str::to_owned);
        }
        names
    }

    fn scope(&self) -> &'static [(&'static str, &'static str)] {
        if self.namespaced { &[("namespace", "object name and auth scope, such as for teams and projects")] } else { &[] }
    }

    fn with_name(&self) -> Vec<(&'static str, &'static str)> {
        let mut all = vec![("name", "name of the object")];
        all.extend_from_slice(self.scope());
        all
    }

    fn item(&self, verbs: &[&str]) -> Map<String, Value> {
        let mut out = Map::new();
        for (method, verb) in [("get", "get"), ("put", "update"), ("post", "create"), ("delete", "delete"), ("patch", "patch")] {
            if verbs.contains(&verb) {
                out.insert(
                    method.to_owned(),
                    self.operation(
                        verb,
                        if verb == "update" {
                            "put"
                        } else if verb == "create" {
                            "post"
                        } else {
                            verb
                        },
                    ),
                );
            }
        }
        out
    }

    /// Operations that hand the connection on to something else.
    fn connect(&self, verbs: &[&str]) -> Map<String, Value> {
        let scope = if self.namespaced { "Namespaced" } else { "" };
        let mut out = self.item(verbs);
        for (method, operation) in &mut out {
            let word = capital(method);
            let kind = &operation["x-kubernetes-group-version-kind"];
            let ok = match self.style {
                Style::V2 => json!({"description": "OK", "schema": {"type": "string"}}),
                Style::V3 => json!({"description": "OK", "content": {"*/*": {"schema": {"type": "string"}}}}),
            };
            let mut fresh = json!({
                "tags": [self.naming.tag],
                "description": format!("connect {} requests to {} of {}", method.to_uppercase(), self.suffix.to_lowercase(), self.owner),
                "operationId": format!("connect{}{word}{scope}{}{}", self.naming.prefix, self.owner, self.suffix),
                "responses": {"200": ok, "401": {"description": "Unauthorized"}},
                "x-kubernetes-action": "connect",
                "x-kubernetes-group-version-kind": kind,
            });
            if self.style == Style::V2 {
                for (key, value) in [("consumes", json!(["*/*"])), ("produces", json!(["*/*"])), ("schemes", json!(["https"]))] {
                    fresh[key] = value;
                }
            }
            *operation = fresh;
        }
        out
    }

    fn put(&self, path: String, mut operations: Map<String, Value>, in_path: &[(&str, &str)], out: &mut Map<String, Value>) {
        if operations.is_empty() {
            return;
        }
        let mut parameters: Vec<Value> = in_path
            .iter()
            .map(|(name, text)| {
                parameter(self.style, name, "string", &[("in", "path".into()), ("required", true.into()), ("description", (*text).into())])
            })
            .collect();
        parameters.push(parameter(self.style, "pretty", "string", &[("in", "query".into())]));
        operations.insert("parameters".to_owned(), Value::Array(parameters));
        out.insert(path, Value::Object(operations));
    }

    fn described(&self, verb: &str) -> String {
        let (kind, part) = (&self.owner, self.suffix.to_lowercase());
        let of = if part.is_empty() { format!("the specified {kind}") } else { format!("{part} of the specified {kind}") };
        let article = if kind.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
        match verb {
            "list" => format!("list or watch objects of kind {kind}"),
            "create" if part.is_empty() => format!("create {article} {kind}"),
            "create" => format!("create {part} of {article} {kind}"),
            "update" => format!("replace {of}"),
            "patch" => format!("partially update {of}"),
            "delete" => format!("delete {article} {kind}"),
            "deletecollection" => format!("delete collection of {kind}"),
            _ => format!("read {of}"),
        }
    }

    fn operation(&self, verb: &str, action: &str) -> Value {
        let (group, version, kind) = &self.kind;
        let status = format!("{META}Status");
        let patch = format!("{META}Patch");
        let options = format!("{META}DeleteOptions");
        let object = self.object.as_deref();
        let writing = ["dryRun", "fieldManager", "fieldValidation"];
        let (word, query, body, answers): (_, &[&str], Option<&str>, Answers<'_>) = match verb {
            "list" => ("list", &LIST, None, vec![(200, self.list.as_deref()), (401, None)]),
            "create" => ("create", &writing, object, vec![(200, object), (201, object), (202, object), (401, None)]),
            "update" => ("replace", &writing, object, vec![(200, object), (201, object), (401, None)]),
            "patch" => (
                "patch",
                &["dryRun", "fieldManager", "fieldValidation", "force"],
                Some(&patch),
                vec![(200, object), (201, object), (401, None)],
            ),
            "delete" => ("delete", &DELETE, Some(&options), vec![(200, Some(&status)), (202, Some(&status)), (401, None)]),
            "deletecollection" => ("deleteCollection", &DELETE_COLLECTION, Some(&options), vec![(200, Some(&status)), (401, None)]),
            _ => ("read", &[], None, vec![(200, object), (401, None)]),
        };
        let scope = if self.namespaced { "Namespaced" } else { "" };
        let mut out = json!({
            "tags": [self.naming.tag],
            "description": self.described(verb),
            "operationId": match verb {
                "deletecollection" => format!("delete{}Collection{scope}{kind}", self.naming.prefix),
                _ => format!("{word}{}{scope}{}{}", self.naming.prefix, self.owner, self.suffix),
            },
        });
        let mut parameters: Vec<Value> =
            query.iter().map(|name| parameter(self.style, name, type_of_query(name), &[("in", "query".into())])).collect();
        let types: Vec<&str> = if verb == "patch" { self.patches.iter().map(String::as_str).collect() } else { vec!["*/*"] };
        let required = verb != "delete" && verb != "deletecollection";
        if let Some(body) = body {
            match self.style {
                Style::V2 => {
                    let schema = json!({"$ref": self.style.reference(body)});
                    let mut body = json!({"name": "body", "in": "body", "schema": schema});
                    if required {
                        body["required"] = true.into();
                    }
                    parameters.insert(0, body);
                    out["consumes"] = json!(types);
                }
                Style::V3 => {
                    let schema = json!({"schema": {"$ref": self.style.reference(body)}});
                    let content: Map<String, Value> = types.iter().map(|t| ((*t).to_owned(), schema.clone())).collect();
                    out["requestBody"] = json!({"content": content});
                    if required {
                        out["requestBody"]["required"] = true.into();
                    }
                }
            }
        }
        if self.style == Style::V2 {
            out["produces"] = json!(PRODUCED);
            out["schemes"] = json!(["https"]);
        }
        if !parameters.is_empty() {
            out["parameters"] = Value::Array(parameters);
        }
        out["responses"] = responses(self.style, &answers);
        if verb == "list" {
            match self.style {
                Style::V2 => out["produces"] = PRODUCED.iter().chain(&STREAMED).copied().collect(),
                Style::V3 => {
                    let content = &mut out["responses"]["200"]["content"];
                    let schema = content[PRODUCED[0]].clone();
                    STREAMED.iter().for_each(|kind| content[*kind] = schema.clone());
                }
            }
        }
        out["x-kubernetes-action"] = action.into();
        out["x-kubernetes-group-version-kind"] = json!({"group": group, "version": version, "kind": kind});
        out
    }
}

const STREAMED: [&str; 2] = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const PRODUCED: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const LIST: [&str; 11] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
];
const DELETE: [&str; 5] =
    ["dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents", "propagationPolicy"];
const DELETE_COLLECTION: [&str; 12] = [
    "continue",
    "dryRun",
    "fieldSelector",
    "gracePeriodSeconds",
    "labelSelector",
    "limit",
    "orphanDependents",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
];

fn type_of_query(name: &str) -> &'static str {
    match name {
        "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
        "allowWatchBookmarks"
        | "watch"
        | "sendInitialEvents"
        | "force"
        | "orphanDependents"
        | "ignoreStoreReadErrorWithClusterBreakingPotential" => "boolean",
        _ => "string",
    }
}

fn parameter(style: Style, name: &str, kind: &str, more: &[(&str, Value)]) -> Value {
    let mut out = json!({"name": name});
    for (key, value) in more {
        out[*key] = value.clone();
    }
    match style {
        Style::V2 => {
            out["type"] = kind.into();
            out["uniqueItems"] = true.into();
        }
        Style::V3 => out["schema"] = json!({"type": kind, "uniqueItems": true}),
    }
    out
}

/// Status codes with the types of the answers.
type Answers<'a> = Vec<(u16, Option<&'a str>)>;

fn responses(style: Style, answers: &[(u16, Option<&str>)]) -> Value {
    let mut out = Map::new();
    for (code, name) in answers {
        let text = match code {
            200 => "OK",
            201 => "Created",
            202 => "Accepted",
            _ => "Unauthorized",
        };
        let mut answer = json!({"description": text});
        if let Some(name) = name {
            let schema = json!({"$ref": style.reference(name)});
            match style {
                Style::V2 => answer["schema"] = schema,
                Style::V3 => {
                    answer["content"] =
                        PRODUCED.iter().map(|t| ((*t).to_owned(), json!({"schema": schema}))).collect::<Map<String, Value>>().into();
                }
            }
        }
        out.insert(code.to_string(), answer);
    }
    Value::Object(out)
}
