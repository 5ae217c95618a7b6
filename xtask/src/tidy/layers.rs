//! Which crate may depend on which: dependencies point down through the layers of ARCHITECTURE.md.

use std::fmt;

use super::metadata::Metadata;

/// Edges inside a layer, each with its reason. Everything else inside a layer is forbidden.
const WITHIN: [(&str, &str, &str); 7] = [
    ("crates/fleet", "crates/lane", "a member's connection carries the lanes that keep its objects true"),
    ("crates/runtime", "crates/fleet", "the executor of a controller writes to members"),
    ("crates/runtime", "crates/lane", "controllers read through the caches of the client"),
    ("crates/kubelite", "crates/runtime", "workload controllers are controllers"),
    ("crates/kubelite", "crates/lane", "simulated nodes are clients of their member"),
    ("crates/cli", "crates/hub", "`comity demo` and `comity up` run a hub in their own process"),
    ("crates/personalities", "crates/cli", "another program's commands print with the same printer"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Vocabulary,
    Engine,
    Platform,
    Domain,
    DataPlane,
    Face,
    Binary,
    TestHelper,
    TestCluster,
    Tasks,
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Layer::Vocabulary => "vocabulary",
            Layer::Engine => "engine",
            Layer::Platform => "platform",
            Layer::Domain => "domain",
            Layer::DataPlane => "data plane",
            Layer::Face => "face",
            Layer::Binary => "binary",
            Layer::TestHelper => "test helper",
            Layer::TestCluster => "test cluster",
            Layer::Tasks => "repository task",
        })
    }
}

fn layer(folder: &str) -> Option<Layer> {
    Some(match folder {
        "crates/core" => Layer::Vocabulary,
        "crates/schema" | "crates/store" | "crates/template" | "crates/pki" | "crates/placement" => Layer::Engine,
        "crates/apiserver" | "crates/lane" | "crates/fleet" | "crates/runtime" | "crates/kubelite" => Layer::Platform,
        "crates/hub" | "crates/agent" | "crates/dashboard" | "crates/cli" | "crates/personalities" => Layer::Face,
        "crates/comity" => Layer::Binary,
        "crates/testkit-core" | "crates/testkit-preload" => Layer::TestHelper,
        "crates/testkit" => Layer::TestCluster,
        "xtask" | "benches" => Layer::Tasks,
        _ if folder.starts_with("crates/api/") => Layer::Vocabulary,
        _ if folder.starts_with("crates/domains/") => Layer::Domain,
        _ if folder.starts_with("crates/dataplane/") => Layer::DataPlane,
        _ => return None,
    })
}

/// All forbidden edges and unplaced crates.
pub fn check(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    for package in metadata.own() {
        let from = package.folder();
        if layer(&from).is_none() {
            problems.push(format!("{from}: no layer is written down for this crate (xtask/src/tidy/layers.rs)"));
        }
        for dependency in &package.dependencies {
            let Some(to) = metadata.own().find(|own| own.name == dependency.name).map(|own| own.folder()) else { continue };
            let test_only = dependency.kind.as_deref() == Some("dev");
            problems.extend(forbidden(&from, &to, test_only));
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

fn forbidden(from: &str, to: &str, test_only: bool) -> Option<String> {
    let (upper, lower) = (layer(from)?, layer(to)?);
    let within = WITHIN.iter().any(|(a, b, _)| (*a, *b) == (from, to));
    let allowed = match (upper, lower) {
        _ if from == to || within => true,
        // They know nothing of the product, so that its lowest crates can test with them.
        (_, Layer::TestHelper) => test_only || upper > Layer::TestHelper,
        (Layer::TestHelper, _) => false,
        // Clusters for the tests of what is built on clusters.
        (Layer::TestCluster, _) => lower <= Layer::Platform,
        (_, Layer::TestCluster) => (test_only && upper >= Layer::Platform) || upper == Layer::Tasks,
        (Layer::Vocabulary, Layer::Vocabulary) => from.starts_with("crates/api/") && to == "crates/core",
        (Layer::DataPlane, _) => lower <= Layer::Engine,
        _ => lower < upper,
    };
    (!allowed).then(|| format!("{from} ({upper}) must not depend on {to} ({lower})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_point_down() {
        assert_eq!(forbidden("crates/hub", "crates/store", false), None);
        assert!(forbidden("crates/store", "crates/hub", false).is_some());
        assert!(forbidden("crates/store", "crates/schema", false).is_some());
        assert!(forbidden("crates/domains/dns", "crates/domains/mesh", false).is_some());
        assert!(forbidden("crates/dataplane/dnsd", "crates/runtime", false).is_some());
    }

    #[test]
    fn edges_inside_a_layer_are_those_of_the_list() {
        assert_eq!(forbidden("crates/kubelite", "crates/runtime", false), None);
        assert!(forbidden("crates/runtime", "crates/kubelite", false).is_some());
        assert_eq!(forbidden("crates/api/kubefed", "crates/core", false), None);
        assert!(forbidden("crates/core", "crates/api/kubefed", false).is_some());
    }

    #[test]
    fn test_helpers_serve_tests_only() {
        assert_eq!(forbidden("crates/store", "crates/testkit-core", true), None);
        assert!(forbidden("crates/store", "crates/testkit-core", false).is_some());
        assert!(forbidden("crates/testkit-core", "crates/core", false).is_some());
        assert_eq!(forbidden("xtask", "crates/testkit-core", false), None);
    }
}
