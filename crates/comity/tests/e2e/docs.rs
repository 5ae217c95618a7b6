//! Every command that the tutorial and the how-to pages show is run, in order, as it stands.
//!
//! A page begins with a comment that says on what: `<!-- demo: FLAGS -->`, and `; member: NAME` for a member as a process of its own.

use std::{fs, path::Path};

use crate::fleet::Fleet;

#[test]
fn the_tutorials_commands_work() {
    commands_work("tutorial/first-fleet.md");
}

#[test]
fn the_commands_for_joining_a_cluster_work() {
    commands_work("how-to/join-a-cluster.md");
}

#[test]
fn the_commands_for_federating_a_kind_of_ones_own_work() {
    commands_work("how-to/federate-your-own-kind.md");
}

#[test]
fn the_commands_for_finding_out_why_something_is_not_there_work() {
    commands_work("how-to/why-is-it-not-there.md");
}

#[test]
fn the_commands_for_held_deletions_work() {
    commands_work("how-to/held-deletions.md");
}

#[test]
fn the_commands_for_members_as_processes_work() {
    commands_work("how-to/members-as-processes.md");
}

#[test]
fn every_page_with_commands_is_run() {
    let this = include_str!("docs.rs");
    for folder in ["tutorial", "how-to", "reference", "explanation"] {
        for entry in fs::read_dir(docs().join(folder)).unwrap() {
            let name = format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy());
            let runs = !blocks(&fs::read_to_string(docs().join(&name)).unwrap()).is_empty();
            assert_eq!(this.contains(&format!("commands_work(\"{name}\")")), runs, "{name}");
        }
    }
}

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn blocks(page: &str) -> Vec<&str> {
    page.split("```sh run\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn commands_work(name: &str) {
    let page = fs::read_to_string(docs().join(name)).unwrap();
    let first = page.lines().next().unwrap_or_default();
    let setting = first.strip_prefix("<!-- demo:").and_then(|rest| rest.strip_suffix("-->"));
    let setting = setting.unwrap_or_else(|| panic!("{name} does not begin with <!-- demo: FLAGS -->"));
    let (flags, member) = setting.split_once("; member:").map_or((setting, None), |(flags, member)| (flags, Some(member.trim())));
    let blocks = blocks(&page);
    assert!(blocks.len() > 1, "{name} has lost its commands");
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let Some(mut fleet) = Fleet::demo("v1.36", &flags) else { return };
    if let Some(member) = member {
        fleet.add_member(member);
    }
    for block in blocks {
        let ran = fleet.shell(block);
        assert_eq!(ran.code, 0, "{name}:\n{block}\n{}\n{}", ran.stdout, ran.stderr);
    }
}
