//! The built binary on a disk that loses what was not synced, or that is full.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use comity_testkit_preload::powerloss::{Dice, Disk, Layer, Loss, Recording};
use serde_json::Value;

use crate::fleet::{Fleet, manifest};

/// Records the demo's folder in a log of this round.
fn layer(home: &Path, round: u64) -> Vec<(String, OsString)> {
    std::fs::create_dir_all(home.join("data")).unwrap();
    let layer = Layer::new(&home.join("data"), &home.join(format!("log-{round}"))).full_while(&home.join("full"));
    layer.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Creates a ConfigMap; its name and resourceVersion when the hub acknowledged it.
fn create(fleet: &Fleet, name: &str) -> (String, u64) {
    let made = fleet.hub(&["create", "configmap", name, "--from-literal=k=v", "-o", "jsonpath={.metadata.resourceVersion}"]);
    (name.to_owned(), made.parse().unwrap())
}

/// What a watch of these ConfigMaps from a revision says within a second.
fn watched(fleet: &Fleet, from: u64) -> Vec<(String, u64)> {
    let path = format!("/api/v1/namespaces/default/configmaps?watch=1&resourceVersion={from}&timeoutSeconds=1");
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let metadata = &event["object"]["metadata"];
        (metadata["name"].as_str().unwrap().to_owned(), metadata["resourceVersion"].as_str().unwrap().parse().unwrap())
    };
    // The hub's own ones come later.
    fleet.hub(&["get", "--raw", &path]).lines().map(event).filter(|(name, _)| name.starts_with("kept")).collect()
}

#[test]
fn after_a_power_failure_everything_acknowledged_is_there_watches_resume_and_members_converge() {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = std::env::var("COMITY_SEED").map_or(time.as_nanos() as u64, |text| text.parse().unwrap());
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let flags = ["--members=1"];
    let Some(mut fleet) = Fleet::demo_where("v1.36", &flags, |home| layer(home, 0)) else { return };
    let home = fleet.data().parent().unwrap().to_owned();
    // The folder was empty when the recording began.
    let mut disk = Disk::read(&empty_folder(&home)).unwrap();
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    let kills = std::env::var("COMITY_POWER_FAILURES").map_or(3, |text| text.parse().unwrap());
    for round in 0..kills {
        if round == 0 {
            fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml")]);
        }
        let fresh: Vec<(String, u64)> = (0..1 + dice.below(4)).map(|number| create(&fleet, &format!("kept-{round}-{number}"))).collect();
        fleet.kill();
        let (log, next) = (home.join(format!("log-{round}")), layer(&home, round + 1));
        Recording::read(&log).unwrap().operations.iter().for_each(|operation| disk.apply(operation));
        let image = home.join("image");
        disk.image(Loss::Random, &mut dice, &image).unwrap();
        std::fs::remove_dir_all(fleet.data()).unwrap();
        std::fs::rename(&image, fleet.data()).unwrap();
        disk = Disk::read(&fleet.data()).unwrap();
        fleet.set(&next);
        fleet.start_again();
        let first = fresh[0].clone();
        acknowledged.extend(fresh.clone());
        for (name, rev) in &acknowledged {
            let found = fleet.hub(&["get", "configmap", name, "-o", "jsonpath={.metadata.resourceVersion}"]);
            assert_eq!(found, rev.to_string(), "seed {seed}, failure {round}: {name}");
        }
        assert_eq!(watched(&fleet, first.1), fresh[1..], "seed {seed}, failure {round}");
    }
    // The Lease of the hub that is no more has to run out first.
    let change = r#"[{"op": "replace", "path": "/spec/overrides/0/clusterOverrides/0/value", "value": 4}]"#;
    fleet.hub(&["patch", "federateddeployment/webapp", "-n", "production", "--type=json", "-p", change]);
    fleet.member("cluster1", &["wait", "deployment/webapp", "-n", "production", "--for=create", "--timeout=90s"]);
    fleet.member("cluster1", &["wait", "deployment/webapp", "-n", "production", "--for=jsonpath={.spec.replicas}=4", "--timeout=90s"]);
}

/// An empty folder.
fn empty_folder(home: &Path) -> PathBuf {
    let empty = home.join("empty");
    std::fs::create_dir(&empty).unwrap();
    empty
}

#[test]
fn a_full_disk_stops_the_hub_with_the_cause_and_what_to_do_and_nothing_acknowledged_is_lost() {
    let flags = ["--members=0"];
    let Some(mut fleet) = Fleet::demo_where("v1.36", &flags, |home| layer(home, 0)) else { return };
    let full = fleet.data().parent().unwrap().join("full");
    create(&fleet, "kept");
    std::fs::write(&full, "").unwrap();
    let refused = fleet.try_hub_with(&["create", "configmap", "lost"], "");
    assert_ne!(refused.code, 0);
    let (code, said) = fleet.ended();
    assert_eq!(code, 1, "{said}");
    for part in ["error: stopped because a store failed", "cause: hub: No space left on device", "hint: everything acknowledged is on disk"]
    {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    std::fs::remove_file(&full).unwrap();
    fleet.start_again();
    fleet.hub(&["get", "configmap", "kept"]);
    create(&fleet, "lost");
}
