//! Every library is declared once, in the workspace table, with a line that says why it is here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::metadata::Metadata;
use crate::run::top;

/// Used without being named in the sources, with the reason.
const UNNAMED: [(&str, &str); 1] = [("k8s-openapi", "its feature chooses the API version that kube is built for")];

/// Lines without a reason, libraries declared elsewhere, and libraries that nobody uses.
pub fn check(metadata: &Metadata) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let root = fs::read_to_string(top().join("Cargo.toml"))?;
    let table = entries(&root, |section| section == "workspace.dependencies");
    for (name, line) in &table {
        if !line.contains("path = ") && !has_reason(line) {
            problems.push(format!("Cargo.toml: {name} has no comment that says what it is here for"));
        }
    }
    let mut used = BTreeSet::new();
    for package in metadata.own() {
        let manifest = fs::read_to_string(&package.manifest_path)?;
        let mut sources = String::new();
        read_sources(&top().join(package.folder()), &mut sources)?;
        for (name, line) in entries(&manifest, |section| section.ends_with("dependencies")) {
            let line = line.split('#').next().unwrap_or_default();
            if !line.replace(' ', "").contains("workspace=true") {
                problems.push(format!("{}/Cargo.toml: {name} is not taken from the workspace table", package.folder()));
            }
            if !names(&sources, &name.replace('-', "_")) && !UNNAMED.iter().any(|(known, _)| *known == name) {
                problems.push(format!("{}/Cargo.toml: {name} is named nowhere in the sources", package.folder()));
            }
            used.insert(name);
        }
    }
    for (name, line) in &table {
        if !used.contains(name) && !line.contains("path = ") {
            problems.push(format!("Cargo.toml: nobody uses {name}"));
        }
    }
    Ok(problems)
}

/// All Rust sources below a folder; crates do not lie inside one another.
fn read_sources(folder: &Path, into: &mut String) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_sources(&path, into)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Whether a word stands in a text, not as a part of a longer one.
fn names(text: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

fn has_reason(line: &str) -> bool {
    line.rsplit_once('#').is_some_and(|(before, reason)| before.matches('"').count() % 2 == 0 && reason.trim().len() >= 3)
}

/// (name, line) of all entries of the sections that are asked for.
fn entries(manifest: &str, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = wanted(section);
        } else if inside
            && !line.starts_with('#')
            && let Some((key, _)) = line.split_once('=')
        {
            let name = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
            found.push((name.to_owned(), line.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_section_by_section() {
        let text =
            "[package]\nname = \"x\"\n[dependencies]\n# a = 1\nserde.workspace = true\nb = { workspace = true }\n[features]\nc = []\n";
        let names: Vec<String> = entries(text, |section| section == "dependencies").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["serde", "b"]);
    }

    #[test]
    fn a_word_is_not_a_part_of_another_one() {
        assert!(names("use serde::Deserialize;", "serde"));
        assert!(!names("use serde_json::Value; my_serde!()", "serde"));
    }

    #[test]
    fn a_reason_is_a_comment_behind_the_entry() {
        assert!(has_reason("serde = \"1\"   # typed views"));
        assert!(!has_reason("serde = \"1\""));
        assert!(!has_reason("serde = { git = \"https://x/#frag\" }"));
    }
}
