//! Field order and numbers, from the `generated.proto` files of the published Go modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context;
use comity_schema::table::{Field, Inlined, Shape, Type};

use crate::real::go;
use crate::run::output;

/// Modules that define served types.
const MODULES: [&str; 4] = ["k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator"];

/// Messages by OpenAPI definition name.
pub type Messages = BTreeMap<String, Vec<Entry>>;

/// A field of a message, in the order of the definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    name: String,
    number: u32,
    /// Definition name of the message it holds; empty for scalars. For maps, that of the value.
    message: String,
    many: bool,
}

/// Reads all definitions of the modules at their pinned versions.
pub fn read_modules() -> anyhow::Result<Messages> {
    let mut messages = Messages::new();
    for module in MODULES {
        let listed = output(go().args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]), "it finds the protobuf definitions")?;
        let mut folder = listed.trim().to_owned();
        if folder.is_empty() {
            output(go().args(["mod", "download", module]), "it finds the protobuf definitions")?;
            folder = output(go().args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]), "")?.trim().to_owned();
        }
        read_folder(Path::new(&folder), &mut messages).with_context(|| format!("read the protobuf definitions of {module}"))?;
    }
    Ok(messages)
}

fn read_folder(folder: &Path, messages: &mut Messages) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(&path, messages)?;
        } else if path.file_name().is_some_and(|name| name == "generated.proto") {
            messages.extend(parse(&fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Parses one file. Generated definitions have one statement per line and no nested messages.
fn parse(text: &str) -> Messages {
    let mut messages = Messages::new();
    let mut package = String::new();
    let mut open: Option<(String, Vec<Entry>)> = None;
    for line in text.lines().map(|line| line.split("//").next().unwrap_or_default().trim()) {
        if let Some(name) = line.strip_prefix("package ") {
            package = name.trim_end_matches(';').to_owned();
        } else if let Some(name) = line.strip_prefix("message ") {
            open = Some((definition_name(&format!("{package}.{}", name.trim_end_matches('{').trim())), Vec::new()));
        } else if line == "}" {
            messages.extend(open.take());
        } else if let Some((_, fields)) = &mut open {
            fields.extend(parse_field(line, &package));
        }
    }
    messages
}

fn parse_field(line: &str, package: &str) -> Option<Entry> {
    let (left, number) = line.trim_end_matches(';').rsplit_once('=')?;
    let (kind, name) = left.trim().rsplit_once(' ')?;
    let number = number.trim().parse().ok()?;
    let (kind, many) = match kind.strip_prefix("map<") {
        Some(map) => (map.split_once(',')?.1.trim().trim_end_matches('>').to_owned(), true),
        None => {
            let (label, kind) = kind.split_once(' ')?;
            (kind.trim().to_owned(), label == "repeated")
        }
    };
    let message = match kind.strip_prefix('.') {
        Some(full) => definition_name(full),
        None if kind.starts_with(char::is_uppercase) => definition_name(&format!("{package}.{kind}")),
        None => String::new(),
    };
    Some(Entry { name: name.to_owned(), number, message, many })
}

fn definition_name(full: &str) -> String {
    full.strip_prefix("k8s.io.").map_or_else(|| full.to_owned(), |rest| format!("io.k8s.{rest}")).replace('_', "-")
}

/// Orders and numbers the fields of all types; returns remarks about what did not fit.
pub fn complete(types: &mut BTreeMap<String, Type>, messages: &Messages) -> Vec<String> {
    let mut notes = Vec::new();
    let names: Vec<String> = types.keys().cloned().collect();
    let mut hidden: BTreeMap<String, Type> = BTreeMap::new();
    for name in names {
        let Some(known) = types.get_mut(&name).filter(|known| !known.fields.is_empty()) else { continue };
        let Some(message) = messages.get(&name) else {
            known.fields.sort_by_key(|field| (head_rank(&field.name), field.name.clone()));
            notes.push(format!("`{name}` has no protobuf definition: its fields stand in alphabetical order."));
            continue;
        };
        let mut rest: BTreeMap<String, Field> = known.fields.drain(..).map(|field| (field.name.clone(), field)).collect();
        let taken: BTreeSet<String> = message.iter().map(|entry| plain(&entry.name)).collect();
        for head in ["kind", "apiVersion"] {
            if !taken.contains(&plain(head)) {
                known.fields.extend(rest.remove(head));
            }
        }
        let placed = place(message, &mut rest, messages, &mut hidden);
        known.fields.extend(placed.fields);
        known.inlined = placed.inlined;
        for (field, left) in rest {
            notes.push(format!("`{name}.{field}` has no place in the protobuf definition."));
            known.fields.push(left);
        }
        for missing in placed.missing {
            notes.push(format!("`{name}` has a protobuf field `{missing}` that OpenAPI does not show."));
        }
    }
    for (name, inner) in hidden {
        types.entry(name).or_insert(inner);
    }
    notes
}

fn head_rank(name: &str) -> usize {
    ["kind", "apiVersion", "metadata", "spec", "status"].iter().position(|head| *head == name).unwrap_or(usize::MAX)
}

#[derive(Default)]
struct Placed {
    fields: Vec<Field>,
    inlined: Vec<Inlined>,
    missing: Vec<String>,
}

/// Takes the fields of a message out of `rest` in order; nested messages without a field of their name are inlined.
fn place(message: &[Entry], rest: &mut BTreeMap<String, Field>, messages: &Messages, hidden: &mut BTreeMap<String, Type>) -> Placed {
    let mut placed = Placed::default();
    for entry in message {
        let found = rest.keys().find(|name| **name == entry.name).or_else(|| rest.keys().find(|name| plain(name) == plain(&entry.name)));
        if let Some(mut field) = found.cloned().and_then(|name| rest.remove(&name)) {
            field.number = entry.number;
            refine(&mut field, entry, messages);
            placed.fields.push(field);
            continue;
        }
        let inner = messages.get(&entry.message).filter(|_| !entry.many);
        let Some(inner) = inner.map(|inner| place(inner, rest, messages, hidden)).filter(|inner| !inner.fields.is_empty()) else {
            placed.missing.push(entry.name.clone());
            continue;
        };
        placed.inlined.push(Inlined { number: entry.number, type_name: entry.message.clone() });
        placed.fields.extend(inner.fields.iter().cloned().map(|field| Field { number: 0, wrapped: false, ..field }));
        hidden.entry(entry.message.clone()).or_insert_with(|| Type {
            fields: inner.fields,
            inlined: inner.inlined,
            hidden: true,
            ..Type::default()
        });
    }
    placed
}

/// What only the protobuf definition tells about a field's shape.
fn refine(field: &mut Field, entry: &Entry, messages: &Messages) {
    if entry.message == "io.k8s.apimachinery.pkg.apis.meta.v1.Duration" {
        field.shape = Shape::Duration;
        return;
    }
    let lists = match &field.shape {
        Shape::List(_) => !entry.many,
        Shape::Map(values) => matches!(**values, Shape::List(_)),
        _ => false,
    };
    field.wrapped = lists && messages.get(&entry.message).is_some_and(|inner| inner.len() == 1 && inner[0].many && inner[0].number == 1);
}

/// Names of both sides in a comparable form: `$ref` and `ref`, `x-kubernetes-int-or-string` and `xKubernetesIntOrString`.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "package k8s.io.api.core.v1;\nmessage Volume {\n  // name of it = 7;\n  optional string name = 1;\n\n  optional \
                        VolumeSource volumeSource = 2;\n}\nmessage VolumeSource {\n  optional NFS nfs = 7;\n  map<string, \
                        .k8s.io.apimachinery.pkg.api.resource.Quantity> sizes = 3;\n}\n";

    #[test]
    fn definitions_are_read_line_by_line() {
        let messages = parse(TEXT);
        assert_eq!(messages["io.k8s.api.core.v1.Volume"].len(), 2);
        let source = &messages["io.k8s.api.core.v1.VolumeSource"];
        assert_eq!(source[0].message, "io.k8s.api.core.v1.NFS");
        let sizes = "io.k8s.apimachinery.pkg.api.resource.Quantity".to_owned();
        assert_eq!(source[1], Entry { name: "sizes".into(), number: 3, message: sizes, many: true });
    }

    #[test]
    fn fields_of_nested_messages_that_json_inlines_have_number_zero_and_a_hidden_type() {
        let field = |name: &str| Field { name: name.into(), ..Field::default() };
        let volume = Type { fields: ["name", "nfs", "sizes"].map(field).into(), ..Type::default() };
        let mut types = BTreeMap::from([("io.k8s.api.core.v1.Volume".to_owned(), volume)]);
        assert_eq!(complete(&mut types, &parse(TEXT)), Vec::<String>::new());
        let volume = &types["io.k8s.api.core.v1.Volume"];
        let numbers: Vec<(&str, u32)> = volume.fields.iter().map(|field| (field.name.as_str(), field.number)).collect();
        assert_eq!(numbers, [("name", 1), ("nfs", 0), ("sizes", 0)]);
        assert_eq!(volume.inlined, [Inlined { number: 2, type_name: "io.k8s.api.core.v1.VolumeSource".into() }]);
        let source = &types["io.k8s.api.core.v1.VolumeSource"];
        assert!(source.hidden);
        assert_eq!(source.fields[0].number, 7);
    }
}
