//! Licences and sources of all linked packages: the same rules as deny.toml, without cargo-deny.

use std::fs;

use super::metadata::Metadata;
use super::spdx;
use crate::run::top;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The allowed licences, as deny.toml lists them.
fn allowed() -> Vec<String> {
    let text = fs::read_to_string(top().join("deny.toml")).unwrap_or_default();
    let list = text.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']')).map(|(list, _)| list).unwrap_or_default();
    list.split(',').map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Packages with another licence, or from elsewhere.
pub fn check(metadata: &Metadata) -> Vec<String> {
    let allowed = allowed();
    let mut problems = Vec::new();
    if allowed.is_empty() {
        problems.push("deny.toml: no list of allowed licences".to_owned());
    }
    let allowed = |name: &str| allowed.iter().any(|known| known == name);
    for package in &metadata.packages {
        let Some(source) = &package.source else { continue };
        if source != CRATES_IO {
            problems.push(format!("{} {} comes from {source}, not from crates.io", package.name, package.version));
        }
        match &package.license {
            None => problems.push(format!("{} {} names no licence", package.name, package.version)),
            Some(expression) if !spdx::satisfied(expression, &allowed) => {
                problems.push(format!("{} {}: licence {expression} is not allowed", package.name, package.version));
            }
            Some(_) => {}
        }
    }
    problems
}
