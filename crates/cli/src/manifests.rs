//! Manifests as kubectl's `-f` takes them: a file, a folder, or standard input.

use std::path::{Path, PathBuf};

use comity_core::{Value, object};

use crate::error::{CliError, CliResult};

/// What a folder's manifests end with.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];

/// The objects of a file (`-` is standard input) or of the manifests in a folder, by name; lists are taken apart.
///
/// # Errors
/// What cannot be read or is not YAML or JSON, by its file.
pub(crate) fn read(file: &str) -> CliResult<Vec<Value>> {
    let path = Path::new(file);
    if !path.is_dir() {
        return read_one(file);
    }
    let entries: Result<Vec<_>, _> = std::fs::read_dir(path).and_then(Iterator::collect);
    let entries = entries.map_err(|e| failed(file, &e))?;
    let mut paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).filter(|path| is_manifest(path)).collect();
    paths.sort();
    if paths.is_empty() {
        let endings = ENDINGS.map(|end| format!(".{end}")).join(", ");
        return Err(CliError::new(format!("no manifest in {file}: no file ends with one of {endings}")));
    }
    let objects: CliResult<Vec<_>> = paths.iter().map(|path| read_one(&path.display().to_string())).collect();
    Ok(objects?.concat())
}

fn is_manifest(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end == *known))
}

fn read_one(file: &str) -> CliResult<Vec<Value>> {
    let text = if file == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    parse(&text.map_err(|e| failed(file, &e))?).map_err(|e| failed(file, &e))
}

/// The objects of a text of several documents.
fn parse(text: &str) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for document in documents(text) {
        let object = comity_core::decode_yaml(document.as_bytes()).map_err(|e| e.to_string())?.value;
        match object::at(&object, &["items"]).and_then(Value::as_array) {
            Some(items) if object::str_at(&object, &["kind"]).ends_with("List") => objects.extend(items.iter().cloned()),
            _ => objects.push(object),
        }
    }
    Ok(objects)
}

/// Documents that hold more than comments.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("\n---").map(|part| part.trim_start_matches("---"));
    parts.filter(|part| part.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')))
}

fn failed(file: &str, why: &dyn std::fmt::Display) -> CliError {
    CliError::new(format!("cannot read {file}")).because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(objects: &[Value]) -> Vec<&str> {
        objects.iter().map(|o| object::str_at(o, &["kind"])).collect()
    }

    #[test]
    fn a_folder_is_read_by_its_manifests_in_the_order_of_their_names() {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/federated-app");
        assert_eq!(kinds(&read(examples).unwrap()), ["FederatedDeployment", "FederatedService"]);
    }

    #[test]
    fn documents_and_lists_are_taken_apart_and_comments_are_none() {
        let text = "# a head\n---\nkind: A\n---\n# nothing\n\n--- # a note\nkind: SomeList\nitems: [{kind: B}, {kind: C}]\n---\n{\"kind\": \"D\"}\n";
        assert_eq!(kinds(&parse(text).unwrap()), ["A", "B", "C", "D"]);
    }

    #[test]
    fn what_is_no_manifest_is_named() {
        assert!(parse("kind: [").is_err());
        let empty = tempfile::tempdir().unwrap();
        let said = read(&empty.path().display().to_string()).unwrap_err().to_string();
        assert!(said.contains("no manifest in"), "{said}");
        assert!(read("/nowhere/at-all.yaml").unwrap_err().to_string().contains("/nowhere/at-all.yaml"));
    }
}
