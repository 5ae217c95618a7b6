//! The served resources by group and version, in the order in which discovery lists them.

use std::cmp::Ordering;

use comity_schema::builtin;

use crate::registry::{Registry, Resource};

/// A group and what it serves.
pub struct GroupView<'a> {
    /// Name, empty for core.
    pub name: &'a str,
    /// Versions, preferred first.
    pub versions: Vec<VersionView<'a>>,
}

/// One version of a group.
pub struct VersionView<'a> {
    /// Version, such as `v1`.
    pub name: &'a str,
    /// Its resources.
    pub resources: Vec<&'a Resource>,
}

/// All groups: built-in ones as recorded, then those of custom resources by name.
pub fn groups(registry: &Registry) -> Vec<GroupView<'_>> {
    let mut groups: Vec<GroupView<'_>> = builtin::table()
        .groups()
        .iter()
        .map(|group| GroupView {
            name: &group.name,
            versions: group.versions.iter().map(|v| VersionView { name: v, resources: Vec::new() }).collect(),
        })
        .collect();
    let known = groups.len();
    for resource in registry.resources() {
        let (group, version) = (resource.info.group.as_str(), resource.info.version.as_str());
        let at = groups.iter().position(|g| g.name == group).unwrap_or_else(|| {
            groups.push(GroupView { name: group, versions: Vec::new() });
            groups.len() - 1
        });
        let versions = &mut groups[at].versions;
        let at = versions.iter().position(|v| v.name == version).unwrap_or_else(|| {
            versions.push(VersionView { name: version, resources: Vec::new() });
            versions.len() - 1
        });
        versions[at].resources.push(resource);
    }
    groups[known..].sort_by(|a, b| a.name.cmp(b.name));
    for group in &mut groups[known..] {
        group.versions.sort_by(|a, b| version_order(a.name, b.name));
    }
    for group in &mut groups {
        group.versions.retain(|version| !version.resources.is_empty());
    }
    groups.retain(|group| !group.versions.is_empty());
    groups
}

/// The verbs that are told of a resource: while its definition ends, nothing about changes.
pub fn verbs(resource: &Resource) -> Vec<&str> {
    let ending = resource.custom.as_ref().is_some_and(|custom| custom.terminating);
    let told = |verb: &&str| !ending || !matches!(*verb, "create" | "update" | "patch");
    resource.info.verbs.iter().map(String::as_str).filter(told).collect()
}

/// The order of versions: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, then other names by alphabet.
pub fn version_order(a: &str, b: &str) -> Ordering {
    match (stability(a), stability(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// (stable 2, beta 1, alpha 0; major; minor) of a version that follows the rule.
fn stability(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = |text: &str| -> Option<u64> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        plain.then(|| text.parse().ok()).flatten()
    };
    for (word, level) in [("alpha", 0), ("beta", 1)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return Some((level, digits(major)?, digits(minor)?));
        }
    }
    Some((2, digits(rest)?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first_and_odd_names_last() {
        let mut versions = vec!["foo1", "v1alpha1", "v1", "v11beta2", "v2", "v10", "v3beta1", "v0", "bar", "v12alpha1", "v1beta"];
        versions.sort_by(|a, b| version_order(a, b));
        assert_eq!(versions, ["v10", "v2", "v1", "v11beta2", "v3beta1", "v12alpha1", "v1alpha1", "bar", "foo1", "v0", "v1beta"]);
    }
}
