//! Every library is declared once, in the workspace table, with a line that says why it is here.

use std::collections::BTreeSet;
use std::fs;

use super::metadata::Metadata;
use crate::run::top;

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
        for (name, line) in entries(&manifest, |section| section.ends_with("dependencies")) {
            let line = line.split('#').next().unwrap_or_default();
            if !line.replace(' ', "").contains("workspace=true") {
                problems.push(format!("{}/Cargo.toml: {name} is not taken from the workspace table", package.folder()));
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
    fn a_reason_is_a_comment_behind_the_entry() {
        assert!(has_reason("serde = \"1\"   # typed views"));
        assert!(!has_reason("serde = \"1\""));
        assert!(!has_reason("serde = { git = \"https://x/#frag\" }"));
    }
}
