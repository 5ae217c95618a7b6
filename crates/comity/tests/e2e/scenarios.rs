//! Every scenario of federation, written once and run with each kind of hub and members.
//!
//! On an embedded hub with embedded members each scenario has a fleet of its own. Real control planes take long to
//! start: with real members, and on a real hub, the scenarios follow one another on one fleet of three clusters, each
//! with names of its own. `COMITY_SCENARIOS=a,b` runs only those there, as far as their names begin so.

use std::{collections::BTreeSet, fs, path::Path, time::Instant};

use crate::{
    adopt, authority, bad_input, credentials, deletion, fleet::Fleet, kills, leave, page, real_hub, recover, repair, restart, secrets,
    types, workloads,
};

/// What a fleet is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    RealMembers,
    RealHub,
}
use Setting::{RealHub, RealMembers};

/// What a scenario begins with.
#[derive(Clone, Copy)]
struct Start {
    /// Members of the embedded fleet: their number, or none where they are processes of their own.
    together: Option<u8>,
    /// Whether the members are joined.
    joined: bool,
}

/// So many members in the hub's process.
const fn together(members: u8) -> Start {
    Start { together: Some(members), joined: true }
}

/// The same, and none is joined.
const fn unjoined(members: u8) -> Start {
    Start { together: Some(members), joined: false }
}

/// Three members that are processes of their own.
const APART: Start = Start { together: None, joined: true };

/// What a scenario does on a fleet that is as it wants it.
pub(crate) type Run = fn(&mut Fleet);

struct Scenario {
    name: &'static str,
    run: Run,
    start: Start,
    except: &'static [(Setting, &'static str)],
}

macro_rules! scenarios {
    ($($name:ident: $run:path, $start:expr $(, not on $setting:ident: $why:expr)*;)*) => {
        const SCENARIOS: &[Scenario] =
            &[$(Scenario { name: stringify!($name), run: $run, start: $start, except: &[$((Setting::$setting, $why)),*] }),*];

        mod embedded {
            $(#[test] fn $name() { super::on_an_embedded_fleet(stringify!($name)); })*
        }
    };
}

const HUB_ALONE: &str = "asks the hub alone";
const MEMBER_ALONE: &str = "asks a member alone";

scenarios! {
    a_wrong_join_says_what_is_wrong_and_leaves_nothing_behind: leave::wrong_joins, unjoined(2);
    the_page_works: page::the_page, unjoined(3);
    a_member_reads_like_a_cluster: workloads::reads_like_a_cluster, together(1), not on RealHub: MEMBER_ALONE;
    a_rollout_in_a_member_goes_through_replica_sets_and_can_be_undone: workloads::rolls_out, together(1),
        not on RealHub: MEMBER_ALONE;
    what_the_template_names_is_repaired_and_nothing_else_is_touched: repair::repairs, together(3);
    a_change_writes_exactly_the_difference: repair::writes_the_difference, together(3);
    what_the_api_refuses_is_not_stored: bad_input::what_the_api_refuses, unjoined(1), not on RealMembers: HUB_ALONE;
    a_wrong_entry_fails_its_own_cluster_only: bad_input::wrong_entries, together(2);
    every_shipped_type_reaches_the_members_and_leaves_them_again: types::every_shipped_type, together(2);
    // before other types are enabled, which the profile would have to cover
    the_rights_of_the_profile_are_enough_and_a_revoked_token_is_replaced: credentials::profile_and_token, unjoined(1);
    a_built_in_type_and_a_users_own_type_are_enabled_at_run_time: types::enabled_types, together(1);
    a_type_may_be_federated_in_a_group_of_ones_own: types::group_of_ones_own, together(1);
    who_writes_a_template_must_be_allowed_to_write_its_kind: authority::templates, unjoined(0), not on RealMembers: HUB_ALONE;
    a_new_authority_is_named_and_trusted_again_when_the_hub_is_told: credentials::new_authority, APART;
    what_exists_is_previewed_adopted_and_given_back: adopt::adopts, together(1);
    copies_without_an_owner_are_listed: adopt::orphans, together(1);
    a_namespace_deleted_on_the_hub_keeps_its_copies_and_a_kill_does_not_change_that: deletion::namespace, together(2);
    an_emptied_placement_is_held_until_it_is_allowed: deletion::placement, together(2);
    a_deletion_for_a_member_that_is_away_is_remembered_and_cancelled_by_a_new_owner: deletion::tombstones, APART;
    what_a_secret_holds_is_in_no_log_event_status_or_explanation: secrets::planted, APART;
    a_killed_member_is_named_holds_nobody_up_and_catches_up: kills::member, APART;
    a_killed_hub_goes_on: kills::hub, APART;
    an_unjoined_cluster_keeps_its_workloads_and_loses_the_joins_artefacts: leave::unjoins, together(3);
    a_restart_finds_everything_as_it_was_and_writes_nothing: restart::as_it_was, together(3);
    a_hub_restored_from_yesterday_rolls_nothing_back_and_is_recovered_from_its_members: recover::yesterday, APART;
    a_hub_put_back_without_its_members_word_counts_when_its_epoch_is_raised: recover::epoch_alone, APART,
        not on RealMembers: HUB_ALONE;
    a_lost_hub_is_made_anew_from_its_members: recover::lost, APART;
}

/// Tests that know one kind of hub or member, with the reason; `docs/explanation/hubs-and-members.md` has the same table.
const ONE_KIND_ONLY: &[(&str, &str)] = &[
    ("the_page_works_with_kubectl_1_32", "the oldest client against the embedded API server; the other kinds see the newest"),
    ("an_embedded_member_says_that_its_pods_are_simulated", "a real API server asks a kubelet for logs, and there is none"),
    ("the_newest_kubectl_finds_its_verbs", "about the embedded API server, not about federation"),
    ("the_oldest_kubectl_finds_its_verbs", "about the embedded API server, not about federation"),
    ("what_was_acknowledged_survives_a_kill", "about the embedded store; a real hub's is etcd's affair"),
    ("a_folder_in_use_a_taken_port_and_a_newer_format_are_clear_errors", "a real hub has no folder and no port of ours"),
    ("after_a_power_failure_everything_acknowledged_is_there_watches_resume_and_members_converge", "about the embedded store"),
    ("on_a_full_file_system_writes_are_refused_all_else_goes_on_and_space_is_enough_to_go_on", "about the embedded store"),
    ("a_disk_that_fails_a_sync_ends_the_hub_with_the_cause_and_nothing_acknowledged_is_lost", "about the embedded store"),
    ("a_full_disk_stops_the_hub_with_the_cause_and_what_to_do_and_nothing_acknowledged_is_lost", "about the embedded store"),
    (
        "a_hub_that_was_off_for_thirty_days_and_for_four_hundred_returns_without_a_human",
        "a process of ours can be shown another time of day, those of a real control plane cannot",
    ),
    ("an_encrypted_hub_is_recovered_with_its_keys_only", "a real hub encrypts by its API server's own configuration"),
    ("a_running_clone_of_a_hub_only_reads", "instances beside one real hub take turns by its Lease; a cloned etcd is its owner's affair"),
    ("instances_beside_a_real_hub_take_turns", "an embedded hub has one process, by the lock of its folder"),
    ("a_real_hubs_api_may_be_killed_under_comity", "an embedded hub is one process with its API"),
    ("a_hub_that_is_led_is_not_recovered", "an embedded hub is protected by the lock of its folder, which another test covers"),
];

fn on_an_embedded_fleet(name: &str) {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap();
    let Start { together, joined } = scenario.start;
    let fleet = match together {
        Some(members) => Fleet::demo("v1.36", &[&format!("--members={members}"), if joined { "--join=all" } else { "--join=none" }]),
        None => Fleet::apart(&["cluster1", "cluster2", "cluster3"]),
    };
    let Some(mut fleet) = fleet else { return };
    if together.is_none() && joined {
        fleet.join_all(true);
    }
    (scenario.run)(&mut fleet);
}

#[test]
fn the_scenarios_run_on_real_members() {
    let Some(mut fleet) = Fleet::with_real_members(&["cluster1", "cluster2", "cluster3"]) else { return };
    all(&mut fleet, RealMembers);
}

#[test]
fn the_scenarios_run_on_a_real_hub() {
    let Some(mut fleet) = Fleet::with_real_hub(&["cluster1", "cluster2", "cluster3"]) else { return };
    all(&mut fleet, RealHub);
    for (name, run) in real_hub::SCENARIOS {
        step(&mut fleet, name, true, *run);
    }
}

fn all(fleet: &mut Fleet, setting: Setting) {
    for Scenario { name, run, start, except } in SCENARIOS {
        if !except.iter().any(|(other, _)| *other == setting) {
            step(fleet, name, start.joined, *run);
        }
    }
}

/// Names the scenario in the test's output, which is shown when it fails.
#[allow(clippy::print_stderr, reason = "the only way to say in a failed test how far it came")]
fn step(fleet: &mut Fleet, name: &str, joined: bool, run: Run) {
    let chosen = std::env::var("COMITY_SCENARIOS").unwrap_or_default();
    if !chosen.split(',').any(|chosen| name.starts_with(chosen)) {
        return;
    }
    eprintln!("{name}: begins");
    let began = Instant::now();
    fleet.join_all(joined);
    let prepared = began.elapsed();
    run(fleet);
    eprintln!("{name}: {:.1} s, of which {:.1} s to join", began.elapsed().as_secs_f64(), prepared.as_secs_f64());
}

/// What is not run everywhere is listed, here and in the documentation.
#[test]
fn every_test_runs_with_each_kind_of_hub_and_member_or_says_why_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(folder.join("../../docs/explanation/hubs-and-members.md")).unwrap();
    let excepted = SCENARIOS.iter().flat_map(|scenario| scenario.except.iter().map(|(_, why)| (scenario.name, *why)));
    let listed: BTreeSet<(&str, &str)> = excepted.chain(ONE_KIND_ONLY.iter().copied()).collect();
    for (name, why) in &listed {
        assert!(page.contains(&format!("| {} | {why} |", name.replace('_', " "))), "{name} is not in the page, or not with: {why}");
    }
    let elsewhere = ["scenarios.rs", "docs.rs", "isolation.rs", "main.rs"];
    for entry in fs::read_dir(folder.join("tests/e2e")).unwrap() {
        let (name, path) = {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.path())
        };
        if elsewhere.contains(&name.as_str()) || !name.ends_with(".rs") {
            continue;
        }
        for test in fs::read_to_string(path).unwrap().split("#[test]\nfn ").skip(1) {
            let test = test.split('(').next().unwrap();
            assert!(ONE_KIND_ONLY.iter().any(|(known, _)| *known == test), "{name}: {test} knows one kind of fleet only, without a reason");
        }
    }
    for (test, _) in ONE_KIND_ONLY {
        let file = |entry: fs::DirEntry| fs::read_to_string(entry.path()).unwrap_or_default();
        let found = fs::read_dir(folder.join("tests/e2e")).unwrap().any(|entry| file(entry.unwrap()).contains(&format!("\nfn {test}(")));
        assert!(found || real_hub::SCENARIOS.iter().any(|(name, _)| name == test), "{test} is not there any more");
    }
}
