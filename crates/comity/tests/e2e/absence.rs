//! A hub that was off for a long time returns without a human.

use std::{fs, path::Path, process::Command, time::Duration};

use comity_testkit_preload::clock::Clock;
use serde_json::Value;

use crate::fleet::{Fleet, SYSTEM};

const CLUSTERS: [&str; 2] = ["cluster1", "cluster2"];
const DAY: Duration = Duration::from_secs(86_400);

fn say(fleet: &Fleet, text: &str) {
    fleet.apply(&format!(
        "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedConfigMap\nmetadata: {{name: said, namespace: absence}}\n\
         spec: {{template: {{data: {{k: '{text}'}}}}, placement: {{clusterSelector: {{}}}}}}\n"
    ));
}

fn arrives(fleet: &Fleet, text: &str) {
    for cluster in CLUSTERS {
        fleet.until(&format!("{text} in {cluster}"), || {
            fleet.try_member(cluster, &["get", "configmap/said", "-n", "absence", "-o", "jsonpath={.data.k}"]).stdout == text
        });
    }
}

/// Stock kubectl reads the real clock, for which certificates of next month are not valid yet: it looks at none.
fn look_at_no_certificate(kubeconfig: &Path) {
    let mut config: Value = serde_json::from_slice(&fs::read(kubeconfig).unwrap()).unwrap();
    for cluster in config["clusters"].as_array_mut().unwrap() {
        let cluster = cluster["cluster"].as_object_mut().unwrap();
        cluster.remove("certificate-authority-data");
        cluster.insert("insecure-skip-tls-verify".to_owned(), true.into());
    }
    fs::write(kubeconfig, config.to_string()).unwrap();
}

/// Everything stops, and starts again when so much time has gone by: members first, then the hub.
fn absent(fleet: &mut Fleet, clock: Clock) {
    assert_eq!(fleet.terminate(), 0);
    for name in CLUSTERS {
        fleet.kill_member(name);
    }
    fleet.set(&clock.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>());
    for name in CLUSTERS {
        fleet.start_member(name);
        look_at_no_certificate(&fleet.home().join(name).join("kubeconfig"));
    }
    fleet.member("cluster1", &["delete", "configmap/said", "-n", "absence"]);
    fleet.start_again();
    // A client that lives in the same time looks at them.
    let mut status = Command::new(env!("CARGO_BIN_EXE_comity"));
    let status = status.args(["status", "--kubeconfig"]).arg(fleet.hub_kubeconfig()).envs(clock.variables()).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    look_at_no_certificate(&fleet.hub_kubeconfig());
}

/// Year and month in which an object in a member is made.
fn month(fleet: &Fleet, cluster: &str, name: &str) -> String {
    let made = ["create", "configmap", name, "-n", "absence", "-o", "jsonpath={.metadata.creationTimestamp}"];
    fleet.member(cluster, &made)[..7].to_owned()
}

#[test]
fn a_hub_that_was_off_for_thirty_days_and_for_four_hundred_returns_without_a_human() {
    let Some(mut fleet) = Fleet::apart(&CLUSTERS) else { return };
    fleet.join_all(true);
    say(&fleet, "today");
    arrives(&fleet, "today");
    for (days, text) in [(30, "a month later"), (400, "a year later")] {
        let clock = Clock::ahead(days * DAY);
        absent(&mut fleet, clock);
        let then = Command::new("date").args(["-u", "+%Y-%m"]).envs(clock.variables()).output().unwrap();
        let then = String::from_utf8(then.stdout).unwrap();
        for cluster in CLUSTERS {
            assert_eq!(month(&fleet, cluster, &format!("clock-{days}")), then.trim());
            fleet.wait(&format!("kubefedcluster/{cluster}"), SYSTEM, "condition=Ready");
            let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].lastProbeTime}";
            let probed = || fleet.hub(&["get", "kubefedcluster", cluster, "-n", SYSTEM, "-o", path]);
            fleet.until("a probe in the new time", || probed().starts_with(then.trim()));
        }
        say(&fleet, text);
        arrives(&fleet, text);
        fleet.wait("federatedconfigmap/said", "absence", "condition=Propagation");
    }
}
