//! The hub's store on a file system of its own that is really full, and on one whose syncs fail.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use comity_testkit_core::{
    binary::{Home, Running},
    cache::tool_or_skip,
    run::run,
};
use comity_testkit_preload::powerloss::Layer;

use crate::fleet::Fleet;

/// What the store keeps free, and what it sets aside, are 320 MiB.
const SIZE: &str = "450m";
const MIB: usize = 1 << 20;

/// A small file system in memory that only some processes see: mounts of one's own need no rights.
struct FileSystem {
    /// Lives in the namespace of mounts.
    holder: Running,
    folder: PathBuf,
    _home: Home,
}

impl FileSystem {
    fn at(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mount = format!("mount -t tmpfs -o size={SIZE} tmpfs \"$0\" && echo ready && exec sleep infinity");
        let home = Home::new(Path::new("unshare")).unwrap();
        let holder = home.start(&["-rm", "sh", "-c", &mount, folder.to_str().unwrap()]).unwrap();
        Self { holder, folder: folder.to_owned(), _home: home }
    }

    /// The file that fills it, seen from outside.
    fn filler(&self) -> PathBuf {
        let inside = self.folder.join("filler");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside.strip_prefix("/").unwrap())
    }

    /// Writes so many MiB; whether there was room.
    fn fill(&self, mebibytes: usize) -> bool {
        let mut file = File::options().append(true).create(true).open(self.filler()).unwrap();
        (0..mebibytes).all(|_| file.write_all(&vec![1; MIB]).is_ok())
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

/// Why no such file system can be had here, if so.
fn namespaces() -> anyhow::Result<bool> {
    let tried = |program: &str, args: &[&str]| run(std::process::Command::new(program).args(args), "");
    tried("nsenter", &["--version"]).context("nsenter of util-linux is needed")?;
    Ok(tried("unshare", &["-rm", "true"]).context("unshare of util-linux is needed")?.code == 0)
}

/// A demo whose hub's store is on such a file system.
#[allow(clippy::print_stderr, reason = "a test that is left out says so")]
fn demo(program: &Path) -> Option<(Fleet, FileSystem)> {
    let allowed = tool_or_skip("a file system that is really full", namespaces())?;
    if !allowed {
        // not a missing program: nothing can be done about it here
        eprintln!("SKIPPED: a file system that is really full: this system allows no namespaces of mounts to its users");
        return None;
    }
    let mut system = None;
    let fleet = Fleet::demo_by("v1.36", &["--members=0"], program, |home| {
        let made = FileSystem::at(&home.join("data/hub/store"));
        let enter = format!(
            "#!/bin/sh\nexec nsenter --preserve-credentials -U -m -t {} sh -c 'cd \"$0\" && exec \"$@\"' \"$PWD\" '{}' \"$@\"\n",
            made.holder.id(),
            env!("CARGO_BIN_EXE_comity")
        );
        fs::write(program, enter).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        system = Some(made);
        Vec::new()
    })?;
    Some((fleet, system.unwrap()))
}

fn create(fleet: &Fleet, name: &str) -> u64 {
    let made = fleet.hub(&["create", "configmap", name, "--from-literal=k=v", "-o", "jsonpath={.metadata.resourceVersion}"]);
    made.parse().unwrap()
}

#[test]
fn on_a_full_file_system_writes_are_refused_all_else_goes_on_and_space_is_enough_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut fleet, system)) = demo(&folder.path().join("comity")) else { return };
    let names: Vec<String> = (0..4).map(|i| format!("kept-{i}")).collect();
    let first = create(&fleet, &names[0]);
    for name in &names[1..] {
        create(&fleet, name);
    }

    assert!(system.fill(200));
    let refused = fleet.try_hub_with(&["create", "configmap", "refused"], "");
    assert!(refused.code != 0 && refused.stderr.contains("the disk of the store is nearly full"), "{}", refused.stderr);
    assert!(refused.stderr.contains("only deletes are accepted until space is freed"), "{}", refused.stderr);
    fleet.hub(&["get", "configmap", &names[3]]);
    assert_ne!(fleet.try_hub_with(&["get", "--raw", "/readyz"], "").code, 0);
    fleet.hub(&["get", "--raw", "/livez"]);
    fleet.hub(&["delete", "configmap", &names[0]]);
    let watch = format!("/api/v1/namespaces/default/configmaps?watch=1&resourceVersion={first}&timeoutSeconds=1");
    let events = fleet.hub(&["get", "--raw", &watch]);
    assert!(events.contains("\"ADDED\"") && events.contains("\"DELETED\""), "{events}");

    // without a restart
    system.free();
    create(&fleet, "after");

    // to the last byte: whatever happens to the process, nothing that was acknowledged is lost
    while system.fill(16) {}
    let deleted = fleet.try_hub_with(&["delete", "configmap", &names[1]], "").code == 0;
    if !deleted {
        let (code, said) = fleet.ended();
        assert!(code == 1 && said.contains("No space left on device"), "{said}");
    }
    system.free();
    if deleted {
        fleet.kill();
    }
    fleet.start_again();
    fleet.hub(&["get", "configmap", &names[2], &names[3], "after"]);
    assert_eq!(fleet.try_hub_with(&["get", "configmap", &names[1]], "").code != 0, deleted);
    assert_ne!(fleet.try_hub_with(&["get", "configmap", &names[0]], "").code, 0);
    create(&fleet, "again");
}

#[test]
fn a_disk_that_fails_a_sync_ends_the_hub_with_the_cause_and_nothing_acknowledged_is_lost() {
    let failing = |home: &Path| -> Vec<(String, OsString)> {
        fs::create_dir_all(home.join("data")).unwrap();
        // late enough for the start, soon enough for the test
        let layer = Layer::new(&home.join("data"), &home.join("log")).failing_sync(SYNC);
        layer.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    const SYNC: u64 = 600;
    let Some(mut fleet) = Fleet::demo_where("v1.36", &["--members=0"], failing) else { return };
    let mut acknowledged = 0;
    while fleet.try_hub_with(&["create", "configmap", &format!("kept-{acknowledged}")], "").code == 0 {
        acknowledged += 1;
        assert!(acknowledged < SYNC, "no sync failed");
    }
    let (code, said) = fleet.ended();
    assert_eq!(code, 1, "{said}");
    for part in ["error: stopped because a store failed", "Input/output error"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    fleet.set(&[("LD_PRELOAD".to_owned(), OsString::new())]);
    fleet.start_again();
    let there = fleet.hub(&["get", "configmaps", "-o", "name"]);
    for number in 0..acknowledged {
        assert!(there.lines().any(|line| line == format!("configmap/kept-{number}")), "kept-{number} of {acknowledged} is not in {there}");
    }
    fleet.hub(&["create", "configmap", "after"]);
}
